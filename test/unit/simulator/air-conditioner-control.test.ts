import { describe, expect, test } from 'vitest'
import { AirConditionerControl } from '../../../simulator/control/air-conditioner-control.ts'
import type { Mode, State } from '../../../simulator/control/orders.ts'

const unit = () => new AirConditionerControl({ minimumOn: 100, minimumOff: 150, silence: 300 })

/** A command and the tick after it: all that was answered. */
function told(control: AirConditionerControl, at: number, mode: Mode, id: number): State[] {
  return [...control.commanded(at, { mode, id }), ...control.tick(at)]
}

describe('obeys', () => {
  test('a command, and answers with its state when it has switched', () => {
    const control = unit()
    expect(control.state).toEqual({ mode: 'off', id: 0 })
    expect(control.commanded(0, { mode: 'cool', id: 1 })).toEqual([])
    expect(control.tick(1)).toEqual([{ mode: 'cool', id: 1 }])
    expect(control.mode).toBe('cool')
    expect(told(control, 101, 'off', 2)).toEqual([{ mode: 'off', id: 2 }])
    expect(control.mode).toBe('off')
  })

  test('no older command, nor the same id with another mode; the answer tells where the ids stand', () => {
    const control = unit()
    told(control, 0, 'cool', 5)
    for (const id of [1, 4, 5]) {
      expect(control.commanded(200, { mode: 'off', id })).toEqual([{ mode: 'cool', id: 5 }])
    }
    expect(control.tick(201)).toEqual([])
    expect(control.mode).toBe('cool')
  })

  test('a repeated command changes nothing and is answered again, at once', () => {
    const control = unit()
    told(control, 0, 'cool', 5)
    expect(control.commanded(40, { mode: 'cool', id: 5 })).toEqual([{ mode: 'cool', id: 5 }])
  })

  test('the last of a burst of commands that waited', () => {
    const control = unit()
    told(control, 0, 'cool', 1)
    control.commanded(200, { mode: 'off', id: 2 })
    expect(control.commanded(200, { mode: 'cool', id: 3 })).toEqual([{ mode: 'cool', id: 3 }])
    expect(control.tick(201)).toEqual([])
    expect(control.mode).toBe('cool')
  })
})

describe('protects its compressor', () => {
  test('stopped too early it runs on, says so, and stops when it may', () => {
    const control = unit()
    told(control, 0, 'cool', 1)
    expect(told(control, 10, 'off', 2)).toEqual([{ mode: 'cool', id: 2 }])
    expect(control.tick(99)).toEqual([])
    expect(control.tick(100)).toEqual([{ mode: 'off', id: 2 }])
    expect(control.tick(101)).toEqual([])
  })

  test('started too early it rests on', () => {
    const control = unit()
    told(control, 0, 'cool', 1)
    told(control, 100, 'off', 2)
    expect(told(control, 110, 'cool', 3)).toEqual([{ mode: 'off', id: 3 }])
    expect(control.tick(249)).toEqual([])
    expect(control.tick(250)).toEqual([{ mode: 'cool', id: 3 }])
  })
})

describe('in silence', () => {
  test('it stops cooling, and says so', () => {
    const control = unit()
    told(control, 0, 'cool', 1)
    expect(control.tick(299)).toEqual([])
    expect(control.tick(300)).toEqual([{ mode: 'off', id: 1 }])
  })

  test('a repeated command keeps it going; an older one does not', () => {
    const control = unit()
    told(control, 0, 'cool', 2)
    told(control, 200, 'cool', 2)
    expect(control.tick(300)).toEqual([])
    told(control, 400, 'cool', 1)
    expect(control.tick(500)).toEqual([{ mode: 'off', id: 2 }])
  })

  test('it starts again when it is spoken to, after its rest', () => {
    const control = unit()
    told(control, 0, 'cool', 1)
    control.tick(300)
    expect(told(control, 310, 'cool', 1)).toEqual([{ mode: 'off', id: 1 }])
    expect(control.tick(450)).toEqual([{ mode: 'cool', id: 1 }])
  })
})

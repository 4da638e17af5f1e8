import { describe, expect, test } from 'vitest'
import type { DemoState, InhabitantView } from '../../../simulator/demo-state.ts'
import { type Paint, Redraw, render } from '../../../simulator/live-view.ts'
import { plainLine, roomsLine, summaryLines } from '../../../simulator/plain-lines.ts'
import { makeReport } from '../../../simulator/report.ts'

const plain: Paint = (_, text) => text
const who = (id: string, more: Partial<InhabitantView> = {}): InhabitantView => ({
  id,
  protocol: 'mqtts',
  credential: 'x509',
  link: 'up',
  renewals: 1,
  ...more,
})
const state: DemoState = {
  elapsed: 30.4,
  seconds: 60,
  speed: 60,
  seed: 7,
  outdoor: 31.26,
  phases: [
    { name: 'enrol', state: 'done' },
    { name: 'intruder', state: 'running' },
    { name: 'restart', state: 'waiting' },
  ],
  rooms: [
    {
      name: 'kitchen',
      setpoint: 24,
      celsius: 24.126,
      inBandShare: 0.999,
      mode: 'cool',
      watts: 540.4,
      alert: false,
      thermostat: who('thermostat-kitchen'),
      airConditioner: who('ac-kitchen', { protocol: 'coap', credential: 'jwt', link: 'down' }),
    },
    {
      name: 'study',
      setpoint: 23,
      celsius: null,
      inBandShare: null,
      mode: null,
      watts: null,
      alert: false,
      thermostat: who('thermostat-study', { link: 'new' }),
      airConditioner: who('ac-study'),
    },
  ],
  others: [who('gateway-hall')],
  denials: [{ principal: 'lamp-hall', action: 'publish', target: 'home/kitchen/ac/set', because: 'no rule' }],
  news: ['first', 'second'],
  checks: null,
}

describe('render', () => {
  const text = render(state, 120, plain).join('\n')

  test.each([
    ['30 of 60 s at 60x'],
    ['0:30 h later'],
    ['outdoors 31.3 °C'],
    ['✓ enrol'],
    ['▸ intruder'],
    ['· restart'],
    ['kitchen      24.13 °C     24.0    99 %     cools 540 W        ● mqtts x509 ↻1'],
    ['● mqtts x509'],
    ['✗ coap jwt ↻1'],
    ['● gateway-hall mqtts x509 ↻1'],
    ['lamp-hall             publish    home/kitchen/ac/set             no rule'],
    ['second'],
  ])('shows %s', part => expect(text).toContain(part))

  test.each([0, 1, 20, 79, 200])('no line is wider than %i', width => {
    for (const line of render(state, width, plain)) expect(line.length).toBeLessThanOrEqual(width)
  })

  test('what came over the wire can neither move the cursor nor wrap a line', () => {
    const evil = { principal: '\u001b[2J\r\nx', action: 'publish', target: '\u202e/漢字\u0007', because: '\u009b1A' }
    const lines = render({ ...state, denials: [evil], news: ['\u001b[H'] }, 120, plain)
    expect(lines.join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e\u3000-\uffff]/)
  })

  test('colours do not count as width', () => {
    const lines = render(state, 50, (style, part) => `<${style}>${part}</>`)
    for (const line of lines) expect(line.replace(/<\/?\w*>/g, '').length).toBeLessThanOrEqual(50)
    expect(lines.join('')).toContain('<green>✓</>')
  })

  test('a deaf air conditioner stands out', () => {
    const [kitchen] = state.rooms
    const alarmed = render({ ...state, rooms: kitchen ? [{ ...kitchen, alert: true }] : [] }, 120, plain)
    expect(alarmed.join()).toContain('DEAF? cools 540 W')
  })

  test('the end names what failed', () => {
    const check = { expected: 'e', evidence: 'v' }
    const checks = [
      { ...check, name: 'a', ok: true, observed: 'fine' },
      { ...check, name: 'b', ok: false, observed: 'it got through' },
    ]
    expect(render({ ...state, checks }, 120, plain).join('\n')).toContain('✗ b: it got through')
    expect(render({ ...state, checks: checks.slice(0, 1) }, 120, plain).join()).toContain('All 1 checks passed.')
  })
})

describe('Redraw', () => {
  test('goes up over what it drew before, and erases what is left of it', () => {
    const written: string[] = []
    const redraw = new Redraw(text => written.push(text))
    redraw.show(['one', 'two', 'three'], 24)
    redraw.show(['four'], 24)
    expect(written).toEqual([
      '\rone\u001b[K\n\rtwo\u001b[K\n\rthree\u001b[K\n\u001b[J',
      '\u001b[3A\rfour\u001b[K\n\u001b[J',
    ])
  })

  test('a line above the picture stays', () => {
    const written: string[] = []
    const redraw = new Redraw(text => written.push(text))
    redraw.show(['one', 'two'], 24)
    redraw.above('port 1883 is taken\u001b')
    redraw.show(['one'], 24)
    expect(written.slice(1)).toEqual(['\u001b[2A\rport 1883 is taken?\u001b[K\n\u001b[J', '\rone\u001b[K\n\u001b[J'])
  })

  test('never draws more lines than it can go up', () => {
    const written: string[] = []
    new Redraw(text => written.push(text)).show(['1', '2', '3', '4'], 3)
    expect(written).toEqual(['\r1\u001b[K\n\r2\u001b[K\n\u001b[J'])
  })
})

describe('plain lines', () => {
  test('an event', () => expect(plainLine(12.34, 'kitchen\u001b: cut off')).toBe('[  12.3 s] kitchen?: cut off'))

  test('the rooms', () => expect(roomsLine(state)).toBe('kitchen 24.13 of 24 °C cools 540 W, study ? of 23 °C'))

  test('the end', () => {
    const report = makeReport({
      seed: 1,
      speed: 60,
      worldDigest: 'd',
      listeners: {},
      rooms: [
        {
          name: 'kitchen',
          setpoint: 24,
          start: 26,
          final: 24.2,
          settledAt: 3,
          inBandShare: 0.987,
          acCycles: 4,
          energyKWh: 0.41,
        },
      ],
      devices: [],
      checks: [{ name: 'cut-off', ok: false, expected: 'at most 1000 ms', observed: '2000 ms', evidence: 'x' }],
    })
    expect(summaryLines(report)).toEqual([
      '  kitchen      24.20 of 24.0 °C, in band 98.7 %, cooled 4 times, 0.410 kWh',
      '1 of 1 checks failed:',
      '  cut-off: expected at most 1000 ms; observed 2000 ms',
    ])
  })
})

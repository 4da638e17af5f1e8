// Where the demo is shown: a picture that is drawn over on a terminal, plain lines elsewhere, nothing with --json.
import type { DemoState, Screen } from '../../simulator/demo-state.ts'
import { Redraw, render } from '../../simulator/live-view.ts'
import { plainLine, roomsLine } from '../../simulator/plain-lines.ts'
import type { DrawnScreen, Paint, Terminal } from './terminal.ts'

/** A screen that must be given back when the run is over. */
export interface DemoScreen extends Screen {
  /** Something to know before the run begins. */
  note(line: string): void
  close(): void
}

export function demoScreen({ screen, paintOut, out, err }: Terminal, json: boolean): DemoScreen {
  if (json) return { note: err, tell() {}, draw() {}, close() {} }
  return screen === null ? new PlainScreen(out) : new LiveScreen(screen, paintOut)
}

const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'

class LiveScreen implements DemoScreen {
  readonly #screen: DrawnScreen
  readonly #paint: Paint
  readonly #redraw: Redraw

  constructor(screen: DrawnScreen, paint: Paint) {
    this.#screen = screen
    this.#paint = paint
    this.#redraw = new Redraw(text => screen.write(text))
    screen.write(HIDE_CURSOR)
    process.once('exit', this.#showCursor)
  }

  readonly #showCursor = () => this.#screen.write(SHOW_CURSOR)

  note(line: string): void {
    this.#redraw.above(line)
  }

  /** The picture shows the news by itself. */
  tell(): void {}

  draw(state: DemoState): void {
    this.#redraw.show(render(state, this.#screen.columns, this.#paint), this.#screen.rows)
  }

  close(): void {
    process.removeListener('exit', this.#showCursor)
    this.#showCursor()
  }
}

/** Seconds between two lines about the rooms. */
const ROOMS_EVERY = 10

class PlainScreen implements DemoScreen {
  readonly #out: Terminal['out']
  #roomsAt = ROOMS_EVERY

  constructor(out: Terminal['out']) {
    this.#out = out
  }

  note(line: string): void {
    this.#out(line)
  }

  tell(seconds: number, line: string): void {
    this.#out(plainLine(seconds, line))
  }

  draw(state: DemoState): void {
    if (state.elapsed < this.#roomsAt) return
    this.#roomsAt += ROOMS_EVERY
    this.tell(state.elapsed, roomsLine(state))
  }

  close(): void {}
}

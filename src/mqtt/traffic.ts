import { WriteTurn } from '../stream/write-turn.ts'

/** What went over all MQTT connections since the start: plain numbers, for they rise with every packet. */
export class Traffic {
  bytesReceived = 0
  bytesSent = 0
  packetsReceived = 0
  packetsSent = 0
  publishesReceived = 0
  publishesSent = 0
}

/** The turn of all MQTT connections, and what has passed over them. */
export class CountedTurn extends WriteTurn {
  readonly traffic = new Traffic()
}

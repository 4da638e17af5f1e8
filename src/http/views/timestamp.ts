import { z } from 'zod'

/** RFC 3339, UTC. The house counts milliseconds; people and other programs read this. */
export const timestampSchema = z.iso.datetime().describe('RFC 3339, UTC.')

export const timestamp = (milliseconds: number): string => new Date(milliseconds).toISOString()

export const timestampOrNull = (milliseconds: number | null): string | null =>
  milliseconds === null ? null : timestamp(milliseconds)

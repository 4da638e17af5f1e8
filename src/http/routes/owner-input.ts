// Fields that devices and clients share in requests. The registry judges their values again, whoever calls it.
import { z } from 'zod'
import { isAttributeValue } from '../../model/identifier.ts'
import { identifierSchema } from '../views/page.ts'

export const idParams = z.strictObject({ id: identifierSchema })

export const namesSchema = z.array(identifierSchema).max(64)

export const attributesSchema = z.record(
  z.string(),
  z.string().refine(isAttributeValue, 'must be 1 to 128 characters without / + # $ or control characters'),
)

export const clientIdsSchema = z.enum(['own', 'under'])

/** Seconds; null or absent: it does not end by itself. A hundred years is long enough. */
export const lifetimeSchema = z.int().min(1).max(3_155_760_000).nullable().optional()

export const labelSchema = z.string().max(128).optional()

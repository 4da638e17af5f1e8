// CoAP Content-Formats and the media types they stand for (RFC 7252 12.3).

/** IANA's registry, without content codings and what is registered provisionally. Spelled as `normal` spells. */
const REGISTRY: ReadonlyMap<number, string> = new Map([
  [0, 'text/plain;charset=utf-8'],
  [16, 'application/cose;cose-type="cose-encrypt0"'],
  [17, 'application/cose;cose-type="cose-mac0"'],
  [18, 'application/cose;cose-type="cose-sign1"'],
  [19, 'application/ace+cbor'],
  [21, 'image/gif'],
  [22, 'image/jpeg'],
  [23, 'image/png'],
  [40, 'application/link-format'],
  [41, 'application/xml'],
  [42, 'application/octet-stream'],
  [47, 'application/exi'],
  [50, 'application/json'],
  [51, 'application/json-patch+json'],
  [52, 'application/merge-patch+json'],
  [60, 'application/cbor'],
  [61, 'application/cwt'],
  [62, 'application/multipart-core'],
  [63, 'application/cbor-seq'],
  [96, 'application/cose;cose-type="cose-encrypt"'],
  [97, 'application/cose;cose-type="cose-mac"'],
  [98, 'application/cose;cose-type="cose-sign"'],
  [101, 'application/cose-key'],
  [102, 'application/cose-key-set'],
  [110, 'application/senml+json'],
  [111, 'application/sensml+json'],
  [112, 'application/senml+cbor'],
  [113, 'application/sensml+cbor'],
  [114, 'application/senml-exi'],
  [115, 'application/sensml-exi'],
  [256, 'application/coap-group+json'],
  [257, 'application/concise-problem-details+cbor'],
  [271, 'application/dots+cbor'],
  [280, 'application/pkcs7-mime;smime-type=server-generated-key'],
  [281, 'application/pkcs7-mime;smime-type=certs-only'],
  [284, 'application/pkcs8'],
  [285, 'application/csrattrs'],
  [286, 'application/pkcs10'],
  [287, 'application/pkix-cert'],
  [310, 'application/senml+xml'],
  [311, 'application/sensml+xml'],
  [320, 'application/senml-etch+json'],
  [322, 'application/senml-etch+cbor'],
  [432, 'application/td+json'],
  [10000, 'application/vnd.ocf+cbor'],
  [10001, 'application/oscore'],
  [11542, 'application/vnd.oma.lwm2m+tlv'],
  [11543, 'application/vnd.oma.lwm2m+json'],
  [11544, 'application/vnd.oma.lwm2m+cbor'],
  [20000, 'text/css'],
  [30000, 'image/svg+xml'],
])

/** Longer names are in no row; a name from the wire is not looked at beyond this. Characters. */
const LONGEST_NAME = 128

const NUMBERS: ReadonlyMap<string, number> = new Map([
  ...Array.from(REGISTRY, ([number, mime]) => [normal(mime), number] as const),
  // Without a parameter it is US-ASCII (RFC 6657 4), which is UTF-8 as well.
  ['text/plain', 0],
])

/** The number of a media type with its parameters, or null. Case, quotes and blanks around `;` do not matter. */
export function contentFormatOf(mime: string): number | null {
  if (mime.length > LONGEST_NAME) return null
  return NUMBERS.get(normal(mime)) ?? null
}

/** The media type of a number, without blanks; null when it is not registered. */
export function mimeOf(number: number): string | null {
  return REGISTRY.get(number) ?? null
}

/** Type, subtype and the parameters here compare without regard to case (RFC 9110 8.3.1). */
function normal(mime: string): string {
  return mime
    .split(';')
    .map(part => part.trim())
    .join(';')
    .replaceAll('"', '')
    .toLowerCase()
}

/** Half precision (IEEE 754 binary16) as its 16 bits: one sign bit, 5 of exponent (bias 15), 10 of fraction. */

/** The number that 16 bits stand for. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** The bits of the nearest half-precision number, ties to even; infinity beyond 65,520. */
export function toFloat16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (Number.isNaN(value)) return 0x7e00
  if (size >= 65520) return sign | 0x7c00
  // Below 2^-14 numbers are multiples of 2^-24, whatever their size.
  const exponent = Math.max(Math.floor(Math.log2(size)), -14)
  const scaled = size * 2 ** (10 - exponent)
  const down = Math.floor(scaled)
  const rest = scaled - down
  const units = rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down
  // A fraction that rounds up to the next power of two carries into the exponent by itself.
  return sign | (((exponent + 14) << 10) + units)
}

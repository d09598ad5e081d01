/**
 * A number as people read it: a true minus sign, and digits grouped from five on (four are not: NIST SP 811, section 10.5.3).
 * @param digits after the decimal point, at most; exactly so many when `exact`
 */
export function formatNumber(value: number, digits = 2, exact = false): string {
  if (!Number.isFinite(value)) return '–'
  const format = new Intl.NumberFormat('en-US', {
    useGrouping: 'min2',
    minimumFractionDigits: exact ? digits : 0,
    maximumFractionDigits: digits,
  })
  return format.format(value).replace('-', '\u2212')
}

/** A time span in the unit that suits it: "48 s", "2.9 min", "1 h 32 min". */
export function formatDuration(seconds: number): string {
  if (!(seconds >= 0 && Number.isFinite(seconds))) return '–'
  if (seconds < 59.5) return `${Math.round(seconds)} s`
  if (seconds < 59.95 * 60) return `${formatNumber(seconds / 60, 1)} min`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

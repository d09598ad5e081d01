import type { Builder, Value } from '@niceflow/graph'

/**
 * A monotone function of the real line that is a rational quadratic in each of K bins of [-4, 4] and the identity beyond (Durkan et al. 2019,
 * "Neural spline flows", section 3.1). It takes 3 K - 1 numbers for each dimension of a value [batch, d], in one array [batch, (3 K - 1) d]: first
 * those of widths for all d, bin by bin, then those of heights, then of slopes. All 0 they are the identity.
 */

/** Half the interval: a standard normal value is beyond it once in 16,000. */
const reach = 4

/** The least width and height of a bin, of one in all: in a narrower one float32 would leave the inverse few digits. */
const least = 1e-3
/** Where numbers are cut, so that their powers are finite and slopes no steeper than the narrowest bins. */
const widest = -Math.log(least)

/** Bins lie along the first axis, [K, batch, d], where operators meet a value with all of its batch at once. */
type Spline = { readonly widths: Value; readonly heights: Value; readonly logSlopes: Value }

/** What a value's own bin has: its ends' place on [0, 1] and extent, before and behind; height / width; the slopes at both ends. */
type Bin = {
  readonly left: Value
  readonly width: Value
  readonly bottom: Value
  readonly height: Value
  readonly mean: Value
  readonly first: Value
  readonly last: Value
}

/** y = bottom + height (s t^2 + first t (1 - t)) / (s + (first + last - 2 s) t (1 - t)), t = (u - left) / width (equation 4). */
export function splined(g: Builder, b: Value, numbers: Value): { readonly y: Value; readonly logSlope: Value } {
  const { inside, beyond } = parts(g, b)
  const spline = splineOf(g, numbers, b)
  const bin = binOf(g, inside, spline.widths, spline)
  const t = g.Div(g.Sub(inside, bin.left), bin.width)
  const rest = g.Sub(1, t)
  const both = g.Mul(t, rest)
  const rise = g.Mul(bin.mean, g.Mul(t, t))
  const denominator = g.Add(bin.mean, g.Mul(bend(g, bin), both))
  const v = g.Add(bin.bottom, g.Mul(bin.height, g.Div(g.Add(rise, g.Mul(bin.first, both)), denominator)))
  // s^2 (last t^2 + 2 s t (1 - t) + first (1 - t)^2) / denominator^2 (equation 5).
  const ends = g.Add(g.Mul(bin.last, g.Mul(t, t)), g.Mul(bin.first, g.Mul(rest, rest)))
  const numerator = g.Add(ends, g.Mul(g.Mul(bin.mean, both), 2))
  const logSlope = g.Add(g.Log(numerator), g.Mul(g.Sub(g.Log(bin.mean), g.Log(denominator)), 2))
  return { y: whole(g, v, beyond), logSlope }
}

/** The inverse: t is the root on [0, 1] of a quadratic, in the form that loses no digits (equations 6 to 8 and 29). */
export function unsplined(g: Builder, y: Value, numbers: Value): Value {
  const { inside, beyond } = parts(g, y)
  const spline = splineOf(g, numbers, y)
  const bin = binOf(g, inside, spline.heights, spline)
  const risen = g.Sub(inside, bin.bottom)
  const bent = g.Mul(risen, bend(g, bin))
  const a = g.Add(g.Mul(bin.height, g.Sub(bin.mean, bin.first)), bent)
  const minusB = g.Sub(bent, g.Mul(bin.height, bin.first))
  const minusC = g.Mul(bin.mean, risen)
  const discriminant = g.Add(g.Mul(minusB, minusB), g.Mul(g.Mul(a, minusC), 4))
  const t = g.Div(g.Mul(minusC, 2), g.Sub(g.Sqrt(g.Clip(discriminant, 0)), minusB))
  return whole(g, g.Add(bin.left, g.Mul(t, bin.width)), beyond)
}

/** A value as a place on [0, 1] and what is left of it outside the interval. */
function parts(g: Builder, b: Value): { readonly inside: Value; readonly beyond: Value } {
  const clipped = g.Clip(b, -reach, reach)
  return { inside: g.Add(g.Mul(clipped, 1 / (2 * reach)), 0.5), beyond: g.Sub(b, clipped) }
}

const whole = (g: Builder, place: Value, beyond: Value): Value => g.Add(g.Mul(g.Sub(place, 0.5), 2 * reach), beyond)

const bend = (g: Builder, { first, last, mean }: Bin): Value => g.Sub(g.Add(first, last), g.Mul(mean, 2))

function splineOf(g: Builder, numbers: Value, value: Value): Spline {
  const d = value.dims[1] as number
  const each = (numbers.dims[1] as number) / d
  const bins = (each + 1) / 3
  // Cut first: WebGPU has no Transpose of the truth values that a Clip's gradient compares.
  const cut = g.Transpose(g.Reshape(g.Clip(numbers, -widest, widest), [-1, each, d]), { perm: [1, 0, 2] })
  const [rawWidths, rawHeights, logSlopes] = g.Split(cut, [bins, bins, bins - 1], { axis: 0 }) as [Value, Value, Value]
  // A softmax, mixed with the least share for each bin.
  const shares = (raw: Value): Value => {
    const powers = g.Exp(raw)
    return g.Add(g.Mul(powers, g.Div(1 - bins * least, g.ReduceSum(powers, [0], { keepdims: 1 }))), least)
  }
  return { widths: shares(rawWidths), heights: shares(rawHeights), logSlopes }
}

/** The bin that a place is in, by the shares that divide its side. No gradient flows through the choice. */
function binOf(g: Builder, place: Value, shares: Value, { widths, heights, logSlopes }: Spline): Bin {
  const bins = shares.dims[0] as number
  const d = place.dims[1] as number
  // A knot lies where its bin ends: at the sum of the shares up to there.
  const upTo = Array.from({ length: (bins - 1) * bins }, (_, i) => Number(i % bins <= Math.floor(i / bins)))
  const sums = g.MatMul(g.Reshape(g.Cast(upTo, { to: 'float32' }), [bins - 1, bins]), g.Reshape(shares, [bins, -1]))
  const knots = g.Reshape(sums, [bins - 1, -1, d])
  const passed = g.Cast(g.Greater(place, knots), { to: 'float32' })
  // One for each bin that lies wholly below, and for the own; zero for all others.
  const none = g.Mul(g.Slice(passed, [0], [1], [0]), 0)
  const below = g.Concat(passed, none, { axis: 0 })
  const own = g.Sub(g.Concat(g.Add(none, 1), passed, { axis: 0 }), below)
  const sum = (chosen: Value, of: Value): Value => g.ReduceSum(g.Mul(chosen, of), [0], { keepdims: 0 })
  const slopeAt = (first: number): Value => g.Exp(sum(g.Slice(own, [first], [bins - 1 + first], [0]), logSlopes))
  const [width, height] = [sum(own, widths), sum(own, heights)]
  return {
    left: sum(below, widths),
    width,
    bottom: sum(below, heights),
    height,
    mean: g.Div(height, width),
    first: slopeAt(1),
    last: slopeAt(0),
  }
}

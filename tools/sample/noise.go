package main

import "math"

// hash gives a fixed pseudorandom value in [0,1) for a lattice point.
func hash(x, y int, seed uint32) float64 {
	h := uint32(x)*0x8da6b343 ^ uint32(y)*0xd8163841 ^ seed*0xcb1ab31f
	h ^= h >> 15
	h *= 0x2c1b3c6d
	h ^= h >> 12
	h *= 0x297a2d39
	h ^= h >> 15
	return float64(h) / (1 << 32)
}

// smoothNoise is value noise: lattice values, blended by a quintic curve.
func smoothNoise(x, y float64, seed uint32) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	ease := func(t float64) float64 { return t * t * t * (t*(6*t-15) + 10) }
	u, v := ease(x-fx), ease(y-fy)
	i, j := int(fx), int(fy)
	a, b := hash(i, j, seed), hash(i+1, j, seed)
	c, d := hash(i, j+1, seed), hash(i+1, j+1, seed)
	return a + (b-a)*u + (c-a+(a-b-c+d)*u)*v
}

// fractal sums octaves of noise, each half as strong and twice as fine; in
// [0,1], mostly near one half.
func fractal(x, y float64, octaves int, seed uint32) float64 {
	sum, weight, total := 0.0, 1.0, 0.0
	for k := range octaves {
		sum += weight * smoothNoise(x, y, seed+uint32(k)*7919)
		total += weight
		// Rotating each octave hides the lattice.
		x, y = 1.6*x+1.2*y+3.1, -1.2*x+1.6*y+7.7
		weight /= 2
	}
	return sum / total
}

func clamp01(v float64) float64 { return min(max(v, 0), 1) }

// step rises smoothly from 0 at a to 1 at b.
func step(a, b, v float64) float64 {
	t := clamp01((v - a) / (b - a))
	return t * t * (3 - 2*t)
}

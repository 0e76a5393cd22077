package main

import "math"

// rgb is a colour, 0 to 255 per channel.
type rgb [3]float64

func mix(a, b rgb, t float64) rgb {
	t = clamp01(t)
	return rgb{a[0] + (b[0]-a[0])*t, a[1] + (b[1]-a[1])*t, a[2] + (b[2]-a[2])*t}
}

func scale(c rgb, s float64) rgb { return rgb{c[0] * s, c[1] * s, c[2] * s} }

// The layout in pixels of a 960 x 640 frame: sky, mountains, the far shore, a lake that mirrors
// them, and a meadow in front.
const (
	shoreY = 348.0
	hazeY  = 300.0
)

// shade gives the colour at a point. Objects in front are tested first.
func shade(x, y float64) rgb {
	if c, ok := cabin(x, y); ok {
		return c
	}
	if c, ok := nearTrees(x, y); ok {
		return c
	}
	meadowTop := 470 + 34*math.Sin(x/260+1) + 26*(fractal(x/90, 1, 4, 21)-0.5)
	if y > meadowTop {
		return meadow(x, y, y-meadowTop)
	}
	if c, ok := boat(x, y); ok {
		return c
	}
	if y > shoreY {
		return lake(x, y)
	}
	if c, ok := balloon(x, y); ok {
		return c
	}
	return distance(x, y)
}

// distance is everything beyond the lake except the balloon, whose mirror image would be behind the
// meadow.
func distance(x, y float64) rgb {
	if c, ok := farForest(x, y); ok {
		return c
	}
	for _, r := range ridges {
		if c, ok := r.at(x, y); ok {
			return c
		}
	}
	return sky(x, y)
}

func sky(x, y float64) rgb {
	c := mix(rgb{72, 122, 190}, rgb{214, 218, 214}, math.Pow(clamp01(y/hazeY), 1.3))
	far := 240 / (60 + max(hazeY-y, 0)) // clouds flatten towards the horizon
	n := fractal(x/150, y/90*(1+far), 6, 2)
	cover := step(0.50, 0.68, n+0.06*math.Sin(x/210))
	light := 0.82 + 0.36*(n-fractal((x+14)/150, (y-12)/90*(1+far), 6, 2))*3
	return mix(c, scale(rgb{246, 243, 238}, min(light, 1.02)), 0.85*cover)
}

// ridge is a chain of mountains.
type ridge struct {
	base, height, width float64
	seed                uint32
	rock, haze          rgb
	mist                float64
	snow                float64 // y of the snow line
}

var ridges = []ridge{
	{base: 318, height: 120, width: 170, seed: 31, rock: rgb{66, 82, 60}, haze: rgb{150, 170, 190}, mist: 0.25, snow: 0},
	{base: 275, height: 200, width: 260, seed: 33, rock: rgb{98, 96, 92}, haze: rgb{160, 180, 204}, mist: 0.42, snow: 182},
	{base: 245, height: 230, width: 340, seed: 37, rock: rgb{112, 116, 124}, haze: rgb{176, 194, 214}, mist: 0.66, snow: 158},
}

func (r ridge) at(x, y float64) (rgb, bool) {
	top := r.base - r.height*(fractal(x/r.width, 0.5, 7, r.seed)-0.32)
	if y < top {
		return rgb{}, false
	}
	relief := fractal(x/38+y/90, y/30, 6, r.seed+1)
	slope := relief - fractal((x-3)/38+(y-2)/90, (y-2)/30, 6, r.seed+1)
	c := scale(r.rock, 0.8+0.5*relief+3.2*slope)
	c = mix(c, rgb{238, 240, 246}, step(14, -14, y-r.snow-46*(relief-0.5))*(0.75+2*slope))
	return mix(c, r.haze, r.mist+0.25*step(top, shoreY, y)), true
}

// farForest is the dark line of trees on the other shore.
func farForest(x, y float64) (rgb, bool) {
	crown := 9 * math.Abs(math.Sin(x/3.1+4*smoothNoise(x/11, 0, 41)))
	top := shoreY - 20 - 22*fractal(x/70, 3, 4, 42) - crown*smoothNoise(x/5, 9, 43)
	if y < top {
		return rgb{}, false
	}
	if y > shoreY-4 {
		return scale(rgb{150, 140, 118}, 0.7+0.5*fractal(x/6, y/2, 3, 44)), true
	}
	n := fractal(x/4, y/5, 4, 45)
	return mix(scale(rgb{44, 62, 42}, 0.55+0.9*n), rgb{120, 140, 150}, 0.16), true
}

// lake mirrors the scene beyond it, distorted by ripples and darkened.
func lake(x, y float64) rgb {
	d := y - shoreY
	ripple := fractal(x/(14+d/3), y/(1.2+d/26), 4, 51) - 0.5
	up := max(shoreY-d*1.35-4+ripple*(8+d/3), 2)
	c := scale(distance(x+ripple*(3+d/8), up), 0.74)
	c = mix(c, rgb{36, 66, 78}, 0.22+d/600)
	glint := step(0.66, 0.8, fractal(x/9, y/1.6, 3, 53)) * step(0, 60, d)
	return mix(c, rgb{220, 228, 232}, 0.25*glint)
}

func meadow(x, y, depth float64) rgb {
	// Blades of grass are larger near the camera.
	near := 1 + depth/60
	t := step(60, 300, depth)
	blades := (1-t)*fractal(x/1.3, y/4, 5, 61) + t*fractal(x/3, y/11, 5, 62)
	patches := fractal(x/120, y/50, 4, 63)
	c := mix(rgb{70, 98, 40}, rgb{138, 142, 66}, patches*1.3-0.15)
	c = scale(c, 0.1+1.8*blades)
	c = scale(c, 0.78+0.22*step(0, 26, depth))
	// Flowers: one at most in each cell of a lattice that widens downwards.
	cell := 7 * math.Exp2(math.Floor(math.Log2(near)*2)/2)
	i, j := math.Floor(x/cell), math.Floor(y/cell)
	fx, fy := (i+0.2+0.6*hash(int(i), int(j), 71))*cell, (j+0.2+0.6*hash(int(i), int(j), 72))*cell
	if hash(int(i), int(j), 73) < 0.16*patches && math.Hypot(x-fx, (y-fy)*1.3) < 0.16*cell {
		petals := rgb{236, 230, 214}
		if hash(int(i), int(j), 74) < 0.4 {
			petals = rgb{226, 190, 52}
		}
		return scale(petals, 0.75+0.4*smoothNoise(x, y, 75))
	}
	return c
}

package main

import "math"

// nearTrees are conifers in front of the lake, nearest first.
func nearTrees(x, y float64) (rgb, bool) {
	for _, t := range []struct {
		x, foot, height float64
		seed            uint32
	}{{96, 560, 330, 81}, {28, 530, 250, 82}, {168, 522, 190, 83}, {905, 520, 240, 84}, {948, 545, 300, 85}, {858, 498, 130, 86}} {
		up := (t.foot - y) / t.height
		if up < 0 || up > 1 {
			continue
		}
		if up < 0.1 && math.Abs(x-t.x) < t.height*0.016 {
			return scale(rgb{78, 58, 44}, 0.6+0.7*fractal(x, y/7, 3, t.seed)), true
		}
		if up < 0.06 {
			continue
		}
		// Whorls of branches: the width of the outline oscillates with the height.
		whorl := math.Mod(up*17+0.35*smoothNoise(x/9, 0, t.seed), 1)
		half := t.height * 0.24 * math.Pow(1-up, 0.85) * (0.55 + 0.45*(1-whorl))
		needles := fractal(x/2.6, y/3.4, 4, t.seed+9)
		if math.Abs(x-t.x) > half*(0.62+0.72*needles) {
			continue
		}
		side := (x - t.x) / (half + 1) // light comes from the right
		return scale(rgb{50, 74, 44}, (0.32+0.95*needles)*(0.8+0.3*side)*(1.05-0.35*whorl)), true
	}
	return rgb{}, false
}

// cabin is a wooden house on the meadow.
func cabin(x, y float64) (rgb, bool) {
	const left, right, eaves, foot, side = 610.0, 722.0, 424.0, 500.0, 782.0
	grain := 0.78 + 0.34*fractal(x/14, y*0.9, 3, 91)
	ridgeY := 372.0
	if x > left-10 && x < right+6 { // gable end and its roof edge
		slope := eaves - (eaves-ridgeY)*(1-math.Abs(x-(left+right)/2)/((right-left)/2))
		if y > slope-7 && y < slope && y < eaves+6 {
			return scale(rgb{92, 84, 80}, 0.8+0.3*smoothNoise(x/3, y, 92)), true
		}
		if x > left && x < right && y >= slope && y < foot {
			return gable(x-left, y-eaves, grain), true
		}
	}
	if x >= right && x < side && y > eaves && y < foot-6*(x-right)/(side-right) {
		boards := 0.9 + 0.1*step(0.12, 0.2, math.Mod(y, 9)/9)
		if u, v := x-right-18, y-eaves-20; u > 0 && u < 24 && v > 0 && v < 26 {
			return window(u/24, v/26), true
		}
		return scale(rgb{112, 44, 34}, grain*boards), true
	}
	// The long side of the roof slopes from the ridge to the eaves.
	t := (y - ridgeY) / (eaves + 6 - ridgeY)
	from, to := (left+right)/2+t*(right+6-(left+right)/2), (left+right)/2+60+t*(side+8-(left+right)/2-60)
	if t > 0 && t < 1 && x > from && x < to {
		tile := 0.85 + 0.2*step(0.1, 0.25, math.Mod(y, 7)/7)*smoothNoise(x/5, math.Floor(y/7), 93)
		return scale(rgb{96, 90, 88}, tile*(0.8+0.4*fractal(x/20, y/20, 4, 94))), true
	}
	return rgb{}, false
}

// gable takes coordinates from the wall's upper left corner.
func gable(u, v, grain float64) rgb {
	if u > 42 && u < 70 && v > 26 { // the door
		frame := u < 45 || u > 67 || v < 29
		if frame {
			return rgb{214, 208, 196}
		}
		return scale(rgb{64, 74, 70}, grain)
	}
	if u > 12 && u < 34 && v > 16 && v < 44 {
		return window((u-12)/22, (v-16)/28)
	}
	if u > 80 && u < 102 && v > 16 && v < 44 {
		return window((u-80)/22, (v-16)/28)
	}
	boards := 0.88 + 0.12*step(0.1, 0.2, math.Mod(u, 8)/8)
	return scale(rgb{152, 58, 44}, grain*boards)
}

// window takes coordinates in [0,1].
func window(u, v float64) rgb {
	bar := min(u, 1-u, v, 1-v) < 0.12 || math.Abs(u-0.5) < 0.05 || math.Abs(v-0.5) < 0.05
	if bar {
		return rgb{222, 216, 204}
	}
	return mix(rgb{40, 48, 56}, rgb{130, 156, 176}, u*0.8-v*0.5+0.2)
}

// boat is on the lake.
func boat(x, y float64) (rgb, bool) {
	u, v := (x-372)/58, (y-432)/13
	hull := 1 - 0.25*u*u
	if math.Abs(u) < 1-0.18*step(0, 1, v) && v > -0.35*u*u && v < hull {
		if v < 0.22-0.35*u*u+0.2 {
			return scale(rgb{206, 196, 176}, 0.85+0.25*fractal(x/8, y, 3, 95)), true
		}
		return scale(rgb{40, 84, 128}, 0.75+0.4*fractal(x/10, y, 3, 96)-0.2*v), true
	}
	if math.Abs(u) < 0.95 && v >= hull && v < 1.9-0.5*u*u { // its dark mirror image
		return mix(rgb{28, 50, 66}, rgb{60, 84, 96}, fractal(x/12, y/1.5, 3, 97)), true
	}
	return rgb{}, false
}

// balloon is in the sky.
func balloon(x, y float64) (rgb, bool) {
	const cx, cy, r = 264.0, 96.0, 44.0
	u, v := (x-cx)/r, (y-cy)/r
	if v > 0.45 { // narrows to the mouth
		u /= math.Sqrt(max(1-math.Pow((v-0.45)/1.05, 1.4), 0.08))
	}
	if v < 1.32 && u*u+min(v, 0.45)*min(v, 0.45) < 1 {
		gore := int(math.Floor((math.Asin(max(-1, min(u, 1))) + 2) * 4.2))
		c := []rgb{{198, 48, 40}, {236, 196, 64}, {232, 226, 212}}[gore%3]
		light := 0.62 + 0.42*math.Sqrt(max(1-u*u*0.9, 0)) + 0.16*u - 0.1*v
		return scale(c, light*(0.96+0.08*fractal(x/6, y/6, 3, 98))), true
	}
	if v > 1.62 && v < 1.86 && math.Abs(x-cx) < 7 {
		return scale(rgb{104, 74, 48}, 0.7+0.5*smoothNoise(x, y*2, 99)), true
	}
	if v >= 1.3 && v <= 1.62 && math.Abs(math.Abs(x-cx)-6) < 0.7 {
		return rgb{70, 66, 64}, true
	}
	return rgb{}, false
}

package main

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// changes are the ways to damage a file. Each returns new bytes; other is a file of the same
// format.
var changes = []func(data, other []byte, rng *rand.Rand) []byte{
	flipBits, setField, setField, cut, repeatPiece, removePiece, splice, insertNoise, zeroPiece, setHeader, setHeader,
}

// mutate applies one to three changes.
func mutate(data, other []byte, rng *rand.Rand) []byte {
	data = bytes.Clone(data)
	for range 1 + rng.IntN(3) {
		if len(data) > 0 {
			data = changes[rng.IntN(len(changes))](data, other, rng)
		}
	}
	return data
}

// piece returns the bounds of a random part of n bytes.
func piece(n int, rng *rand.Rand) (from, to int) {
	from = rng.IntN(n)
	return from, from + 1 + rng.IntN(min(n-from, 1+n/4))
}

func flipBits(data, _ []byte, rng *rand.Rand) []byte {
	for range 1 + rng.IntN(8) {
		data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
	}
	return data
}

// setField overwrites 1, 2 or 4 bytes anywhere with a number that programs often mishandle.
func setField(data, _ []byte, rng *rand.Rand) []byte { return setAt(data, len(data), rng) }

// setHeader is setField in the first bytes, where sizes and counts are.
func setHeader(data, _ []byte, rng *rand.Rand) []byte { return setAt(data, min(len(data), 96), rng) }

func setAt(data []byte, within int, rng *rand.Rand) []byte {
	at, width := rng.IntN(within), 1<<rng.IntN(3)
	extremes := [][]byte{
		{0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {0x7f, 0xff, 0xff, 0xff}, {0xff, 0xff, 0xff, 0x7f},
		{0x80, 0, 0, 0}, {0, 0, 0, 0x80}, {1, 0, 0, 0}, {0, 0, 0, 1}, {0xfe, 0xff, 0xff, 0xff},
	}
	copy(data[at:min(at+width, len(data))], extremes[rng.IntN(len(extremes))])
	return data
}

func cut(data, _ []byte, rng *rand.Rand) []byte { return data[:rng.IntN(len(data))] }

func repeatPiece(data, _ []byte, rng *rand.Rand) []byte {
	from, to := piece(len(data), rng)
	return slices.Insert(data, rng.IntN(len(data)), bytes.Clone(data[from:to])...)
}

func removePiece(data, _ []byte, rng *rand.Rand) []byte {
	from, to := piece(len(data), rng)
	return slices.Delete(data, from, to)
}

// splice continues a file with the end of another.
func splice(data, other []byte, rng *rand.Rand) []byte {
	if len(other) == 0 {
		return data
	}
	return append(data[:rng.IntN(len(data))], other[rng.IntN(len(other)):]...)
}

func insertNoise(data, _ []byte, rng *rand.Rand) []byte {
	noise := make([]byte, 1+rng.IntN(64))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	return slices.Insert(data, rng.IntN(len(data)), noise...)
}

func zeroPiece(data, _ []byte, rng *rand.Rand) []byte {
	from, to := piece(len(data), rng)
	clear(data[from:to])
	return data
}

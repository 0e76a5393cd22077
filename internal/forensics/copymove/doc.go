// Package copymove finds areas that appear twice in a picture: moved, rotated, scaled or mirrored.
//
// Two searches propose candidates, which are maps from one part of the picture to another. Corners
// on several scales are described by binary codes that rotate with them, and each is compared with
// all others; several matches that agree on one affine map are a candidate. And the surroundings of
// all places with some texture are looked up in hash tables; neighbouring places with the same
// shift are a candidate, such as a piece of a filling by example.
//
// Each candidate is refined until the picture, laid over itself by it, agrees as well as it can.
// How well the finest details agree, and on how large an area, distinguishes a copy and its
// original from two things that look alike. The area of a copy grows from where both agree over
// what is flat, up to where they differ. Which twin is the copy does not follow from the match; it
// follows from smoothness, because scaling or rotating smooths a copy, and from which twin the
// network finds more suspicious.
package copymove

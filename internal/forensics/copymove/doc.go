// Package copymove finds areas that appear twice in a picture: moved, rotated, scaled or mirrored.
//
// Corners on several scales are described by binary codes that rotate with them, and each is
// compared with all others. Where several matches agree on one affine map, the map is refined, the
// picture is laid over itself by it, and the areas where both are equal up to compression are
// candidates: a copy and its original, or two things that look alike. How well the finest details
// agree distinguishes the two cases. Which twin is the copy does not follow from the match; it
// follows from smoothness, because scaling or rotating smooths a copy, and from which twin the
// network finds more suspicious.
package copymove

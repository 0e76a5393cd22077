// Package coco reads data sets in COCO's JSON format and draws their annotations as masks.
//
// Polygons and run lengths mark the same pixels as in pycocotools, so that areas agree exactly.
package coco

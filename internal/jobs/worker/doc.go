// Package worker takes batches of jobs from the queue and works on their pictures.
//
// A batch becomes an object with its records, then an event that it is finished, and only then
// leaves the queue: a worker that dies at any moment loses nothing, and what is done twice is
// written twice under the same name. While these three are written, the next batch is worked on
// already.
//
// A picture that kills its worker must not kill all. A batch that was delivered too often is cut
// into batches of one picture, whose starts are counted in the queue; a picture that was started
// too often is given up as dead. Deliveries only raise suspicion, because those of a worker that
// died count for all batches that it held.
package worker

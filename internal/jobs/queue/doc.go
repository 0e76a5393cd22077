// Package queue holds the messages, events and shared state of jobs.
//
// An [Engine] has four streams, a name for each first token of a subject:
//
//	work.POOL.PRIORITY.TENANT.JOB.BATCH   batches that wait or are being worked on, see [Work]
//	done.TENANT.JOB.BATCH                 batches that are finished, see [Done]
//	dead.TENANT.JOB.ITEM                  items that killed their workers, see [Dead]
//	hook.TENANT.JOB                       callers to be notified of the end of a job, see [Hook]
//
// and four buckets of keys and values: [BucketJobs], [BucketTries], [BucketLeases], [BucketRuns].
// A filter selects subjects of one stream: a subject in which "*" is any one token, and a last ">"
// any one or more.
//
// The queue may be lost: jobs are described by their manifests and the finished parts in the store.
// A message may be delivered twice, and the same batch may be finished twice.
package queue

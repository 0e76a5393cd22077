package dispatch

import (
	"bytes"
	"context"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// SaveJob writes a job's entry in the queue, which must have the given revision, and the job's
// object in the store, from which the entry is made again if the queue is lost. Revision 0 makes
// the entry; then the object is written first, so that no entry is without one.
func SaveJob(ctx context.Context, e queue.Engine, to store.Store, job *schema.Job, revision uint64) (uint64, error) {
	value, err := schema.Encode(job)
	if err != nil {
		return 0, err
	}
	key, err := queue.JobKey(job.Tenant, job.ID)
	if err != nil {
		return 0, err
	}
	bucket, err := e.Bucket(queue.BucketJobs)
	if err != nil {
		return 0, err
	}
	if revision == 0 {
		if err := to.Put(ctx, job.JobKey(), bytes.NewReader(value)); err != nil {
			return 0, err
		}
		return bucket.Create(ctx, key, value)
	}
	if revision, err = bucket.Update(ctx, key, value, revision); err != nil {
		return 0, err
	}
	return revision, to.Put(ctx, job.JobKey(), bytes.NewReader(value))
}

package results

import (
	"context"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// CopyMerged writes the merged results of a job to to, as JSON Lines that are not compressed.
func CopyMerged(ctx context.Context, from store.Store, tenant, id string, to io.Writer) error {
	job := schema.Job{ID: id, Tenant: tenant}
	body, _, err := from.Get(ctx, job.ResultsKey(schema.FormatJSONL))
	if err != nil {
		return err
	}
	defer body.Close()
	plain, err := zstd.NewReader(body)
	if err != nil {
		return err
	}
	defer plain.Close()
	_, err = io.Copy(to, plain)
	return err
}

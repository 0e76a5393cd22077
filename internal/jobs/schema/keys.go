package schema

import (
	"fmt"
	"strings"
)

// PartItems is the number of items in a part of a manifest.
const PartItems = 8192

// Prefix begins the names of all objects of the job.
func (j *Job) Prefix() string { return "jobs/" + j.Tenant + "/" + j.ID + "/" }

// JobKey names the object with the job itself.
func (j *Job) JobKey() string { return j.Prefix() + "job.json" }

// ManifestKey names a part of the manifest.
func (j *Job) ManifestKey(part int) string {
	return fmt.Sprintf("%smanifest/%05d.jsonl.zst", j.Prefix(), part)
}

// PartsPrefix begins the names of the parts of the results.
func (j *Job) PartsPrefix() string { return j.Prefix() + j.Digest + "/parts/" }

// partSuffix ends the names of parts.
const partSuffix = ".jsonl.zst"

// PartKey names the part of a batch.
func (j *Job) PartKey(r Range) string { return j.PartsPrefix() + r.String() + partSuffix }

// PartRange is the range of a part by its name.
func (j *Job) PartRange(key string) (Range, error) {
	name, found := strings.CutPrefix(key, j.PartsPrefix())
	name, suffixed := strings.CutSuffix(name, partSuffix)
	if !found || !suffixed {
		return Range{}, invalid("part", "name %.200q", key)
	}
	return ParseRange(name)
}

// MapKey names a map of an item; name is such as "prob.png".
func (j *Job) MapKey(item int, name string) string {
	return fmt.Sprintf("%s%s/maps/%d.%s", j.Prefix(), j.Digest, item, name)
}

// Formats of results.
const (
	FormatJSONL   = "jsonl"
	FormatParquet = "parquet"
)

// Formats lists the formats of results.
var Formats = []string{FormatJSONL, FormatParquet}

// ResultsKey names the merged results in a format.
func (j *Job) ResultsKey(format string) string {
	if format == FormatJSONL {
		return j.Prefix() + "results.jsonl.zst"
	}
	return j.Prefix() + "results." + format
}

// ProgressKey is the key of a job's Progress in queue.BucketLeases.
func ProgressKey(job string) string { return "progress." + job }

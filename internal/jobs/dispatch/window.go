package dispatch

import (
	"cmp"
	"maps"
	"slices"
)

// minWindow is how many batches are in the queue for a pool without workers: their number is what
// an autoscaler sees.
const minWindow = 8

// window is how many batches of a lane are in the queue: what the pool's slots work on, and as many
// that wait.
func window(slots int) int { return max(minWindow, 2*slots) }

// order gives the jobs of a lane in the order in which they take turns, one batch each: tenants
// take turns, and the jobs of each tenant. It begins after the tenant and the job that were served
// last.
type order struct {
	tenant string            // served last
	job    map[string]string // of each tenant, served last
}

// turn chooses the next job among those that have items left, by tenant and identifier.
func (o *order) turn(left map[string]map[string]*tracked) *tracked {
	if len(left) == 0 {
		return nil
	}
	tenant := after(left, o.tenant)
	id := after(left[tenant], o.job[tenant])
	if o.job == nil {
		o.job = map[string]string{}
	}
	o.tenant, o.job[tenant] = tenant, id
	return left[tenant][id]
}

// after is the key that follows last in a circle.
func after[V any](m map[string]V, last string) string {
	keys := slices.Sorted(maps.Keys(m))
	i, found := slices.BinarySearch(keys, last)
	if found {
		i++
	}
	return keys[i%len(keys)]
}

// size is how many items of a job the next batch holds: the usual number, and fewer near the end,
// so that all slots end at about the same time.
func size(usual, left, slots int) int {
	const smallest = 8 // share of the usual number
	return min(usual, max(usual/smallest, (left+2*slots-1)/max(2*slots, 1), 1))
}

// grouped arranges the jobs of a lane that have items left by tenant and identifier.
func grouped(jobs map[string]*tracked, l lane) map[string]map[string]*tracked {
	left := map[string]map[string]*tracked{}
	for _, t := range jobs {
		if t.lane != l || !t.job.State.Active() || t.merging || t.left() < 1 {
			continue
		}
		if left[t.job.Tenant] == nil {
			left[t.job.Tenant] = map[string]*tracked{}
		}
		left[t.job.Tenant][t.job.ID] = t
	}
	return left
}

// lanes lists the lanes of jobs in a fixed order.
func lanes(jobs map[string]*tracked) []lane {
	seen := map[lane]bool{}
	for _, t := range jobs {
		if t.job.State.Active() {
			seen[t.lane] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b lane) int {
		return cmp.Or(cmp.Compare(a.pool, b.pool), cmp.Compare(a.priority, b.priority))
	})
}

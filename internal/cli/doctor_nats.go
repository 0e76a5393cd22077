package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
)

// natsTimeout bounds the time for asking the queue's servers.
const natsTimeout = 20 * time.Second

// runDoctorNATS shows what the queue's servers are and whether these credentials can use them.
func (a *app) runDoctorNATS(ctx context.Context, o natsOptions) error {
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	engine, err := a.connect(ctx, o, "", nil, a.quietLog())
	if err != nil {
		return err
	}
	defer engine.Close()
	d, err := engine.Describe(ctx)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	row(t, "server", fmt.Sprintf("%s, NATS %s, %v away", d.Server, d.Version, d.RoundTrip.Round(time.Microsecond)))
	cluster := d.Cluster
	if cluster == "" {
		cluster = "none: a single server"
	}
	row(t, "cluster", cluster)
	row(t, "TLS", map[bool]string{true: "yes", false: "no"}[d.TLS])
	problems, missing := 0, 0
	for _, s := range d.Streams {
		text := fmt.Sprintf("%d messages, %.1f MB, %d copies", s.Messages, float64(s.Bytes)/1e6, s.Copies)
		switch {
		case errors.Is(s.Problem, queue.ErrNotFound):
			text = "missing: \"declip jobs serve\" makes it"
			missing++
		case s.Problem != nil:
			text = s.Problem.Error()
			problems++
		case s.Behind > 0:
			text += fmt.Sprintf(", %d of them not up to date", s.Behind)
			problems++
		}
		row(t, "stream "+s.Name, text)
	}
	row(t, "writes", "those of \"declip jobs serve\" survive a power failure; other servers need sync_interval: always, which clients cannot see")
	if err := t.Flush(); err != nil {
		return err
	}
	if problems+missing > 0 {
		return fmt.Errorf("queue: %d streams are missing, %d have problems", missing, problems)
	}
	return nil
}

package queue

import (
	"errors"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	work := Work{"0123456789ab_gpu", Bulk, "acme", "01JOB", RangeName(512, 16)}
	subject, err := work.Subject()
	if err != nil || subject != "work.0123456789ab_gpu.bulk.acme.01JOB.512-16" {
		t.Fatalf("got %q, %v", subject, err)
	}
	if back, err := ParseWork(subject); err != nil || back != work {
		t.Fatalf("got %+v, %v, expected %+v", back, err, work)
	}
	if from, n, err := ParseRange(work.Batch); err != nil || from != 512 || n != 16 {
		t.Fatalf("got %d, %d, %v", from, n, err)
	}
	dead := Dead{"acme", "01JOB", 7}
	if subject, err = dead.Subject(); err != nil || subject != "dead.acme.01JOB.7" {
		t.Fatalf("got %q, %v", subject, err)
	}
	if back, err := ParseDead(subject); err != nil || back != dead {
		t.Fatalf("got %+v, %v, expected %+v", back, err, dead)
	}
	if pool, err := PoolName("0123456789abcdef", GPU); err != nil || pool != work.Pool {
		t.Fatalf("got %q, %v", pool, err)
	}
	if pool, err := TrainPool("gpu"); err != nil || pool != "train_gpu" {
		t.Fatalf("got %q, %v", pool, err)
	}
	if filter, err := WorkOfJob("acme", "01JOB"); err != nil || !matches(filter, "work.p.bulk.acme.01JOB.0-1") || matches(filter, "work.p.bulk.acme.02JOB.0-1") {
		t.Fatalf("filter %q, %v", filter, err)
	}
	if tenant, job, err := ParseJobKey("acme.01JOB"); err != nil || tenant != "acme" || job != "01JOB" {
		t.Fatalf("got %q, %q, %v", tenant, job, err)
	}
}

func TestMalformedNames(t *testing.T) {
	for _, name := range []string{"", "a.b", "a b", "*", ">", "ä", "a/b", strings.Repeat("x", 65), "a\n"} {
		if err := CheckToken(name); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: got %v, expected it to be refused", name, err)
		}
		if _, err := (Work{"p", Bulk, name, "j", "0-1"}).Subject(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q as a tenant: got %v, expected it to be refused", name, err)
		}
		if _, err := WorkOfJob(name, "j"); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q in a filter: got %v, expected it to be refused", name, err)
		}
	}
	for _, batch := range []string{"", "0", "0-", "-1-1", "0-0", "00-1", "1-01", "1-1-1", "a-b", "+1-1", "1 -1"} {
		if from, n, err := ParseRange(batch); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: got %d, %d, %v, expected it to be refused", batch, from, n, err)
		}
	}
	for _, digest := range []string{"", "0123", "0123456789AB", "0123456789a."} {
		if pool, err := PoolName(digest, GPU); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: got %q, %v, expected it to be refused", digest, pool, err)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		filter, subject string
		want            bool
	}{
		{"a.b", "a.b", true},
		{"a.b", "a", false},
		{"a", "a.b", false},
		{"a.*", "a.b", true},
		{"a.*", "a.b.c", false},
		{"*.b", "a.b", true},
		{"a.>", "a.b.c", true},
		{"a.>", "a", false},
		{">", "a", true},
		{"a.*.c", "a.b.d", false},
	} {
		if got := matches(c.filter, c.subject); got != c.want {
			t.Errorf("filter %s, subject %s: got %v, expected %v", c.filter, c.subject, got, c.want)
		}
	}
}

// No text of others makes a subject that a filter of another tenant selects.
func FuzzNames(f *testing.F) {
	f.Add("acme", "01JOB", "0-1")
	f.Add("a.b", ">", "*")
	f.Fuzz(func(t *testing.T, tenant, job, batch string) {
		work := Work{"p", Normal, tenant, job, batch}
		subject, err := work.Subject()
		if err != nil {
			return
		}
		if back, err := ParseWork(subject); err != nil || back != work {
			t.Fatalf("%q was taken apart as %+v, %v", subject, back, err)
		}
		if matches("work.*.*.another.>", subject) && tenant != "another" {
			t.Fatalf("%q is another tenant's", subject)
		}
	})
}

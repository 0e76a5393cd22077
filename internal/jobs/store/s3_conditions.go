package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// conditions say whether a server keeps the condition that an object must not exist. Some that
// speak the protocol of S3 ignore it and overwrite the object.
type conditions struct {
	mu   sync.Mutex
	kept bool
}

// checkConditions tries out, before the first PutIfAbsent, whether the server keeps its condition:
// an object of its own is written twice, and the second time must fail.
func (b *bucket) checkConditions(ctx context.Context) (err error) {
	b.conditions.mu.Lock()
	defer b.conditions.mu.Unlock()
	if b.conditions.kept {
		return nil
	}
	key := "declip-condition-" + rand.Text()
	if err := b.put(ctx, key, strings.NewReader("1"), ifAbsent()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Delete(context.WithoutCancel(ctx), key)) }()
	switch err := b.put(ctx, key, strings.NewReader("2"), ifAbsent()); {
	case errors.Is(err, ErrExists):
		b.conditions.kept = true
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("the server of %s ignores the condition that an object must not exist (If-None-Match), so it cannot keep results; "+
		"as a source of pictures it can be used", b.URL())
}

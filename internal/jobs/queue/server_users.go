package queue

import (
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/conf"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// users reads the file of users, and adds one with all permissions for this process.
func (o ServerOptions) users(n *server.Options) (nkeys.KeyPair, error) {
	blocks, err := conf.ParseFile(o.Users)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Users, err)
	}
	for _, name := range sorted(blocks) {
		if name != "authorization" {
			return nil, fmt.Errorf("%s: %w: %s cannot be set here, expected only the block authorization; "+
				"use a NATS server of its own for more", o.Users, ErrInvalid, name)
		}
	}
	read, err := server.ProcessConfigFile(o.Users)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Users, err)
	}
	if len(read.Users)+len(read.Nkeys) == 0 {
		return nil, fmt.Errorf("%s: %w: it lists no users", o.Users, ErrInvalid)
	}
	own, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	public, err := own.PublicKey()
	if err != nil {
		return nil, err
	}
	n.Users, n.Nkeys = read.Users, append(slices.Clone(read.Nkeys), &server.NkeyUser{Nkey: public})
	return own, nil
}

// serverLog passes a server's messages on.
type serverLog struct {
	log   *slog.Logger // nil for nothing
	fatal atomic.Pointer[string]
}

func (l *serverLog) write(level slog.Level, format string, v []any) {
	if l.log != nil {
		l.log.Log(nil, level, fmt.Sprintf(format, v...), slog.String("from", "queue server")) //nolint:staticcheck // handlers need no context
	}
}

func (l *serverLog) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.write(slog.LevelError, format, v) }
func (l *serverLog) Debugf(string, ...any)           {}
func (l *serverLog) Tracef(string, ...any)           {}

// Fatalf keeps the first reason for which the server cannot run. The server itself does not stop.
func (l *serverLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.fatal.CompareAndSwap(nil, &text)
	l.write(slog.LevelError, "%s", []any{text})
}

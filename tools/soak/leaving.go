package main

import (
	"context"
	"math/rand/v2"
	"net"
	"time"
)

// leave sends a valid request, or a part of it, and leaves before the whole answer has arrived.
func (c *crowd) leave(r *rand.Rand) {
	defer c.tally.answered(kindLeaving, 0, nil)
	v := c.requests[r.IntN(len(c.requests))]
	kind := r.IntN(4)
	if kind == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(1500))*time.Millisecond)
		defer cancel()
		_, _, _, _ = v.send(ctx, c.client, c.program.url)
		return
	}
	conn, err := c.dial()
	if err != nil {
		return
	}
	defer conn.Close()
	file := encodedOnce
	whole := append([]byte(head(len(file))), file...)
	switch kind {
	case 1: // without a word
	case 2: // in the middle of the body
		_, _ = conn.Write(whole[:len(whole)-len(file)/2])
	case 3: // in the middle of the answer, with a reset
		_, _ = conn.Write(whole)
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, _ = conn.Read(make([]byte, 100))
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
}

// encodedOnce is the picture that leaving clients send.
var encodedOnce = encodings(scene(160, 120, 1))["jpeg"]

// Command http-client sends pictures to a running "declip serve" and prints what it answers.
//
//	go run ./examples/http-client [-url URL] PICTURE...
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"time"
)

// result holds the fields of an answer that this program uses; /openapi.yaml describes all of them.
type result struct {
	Score   float64 `json:"score"` // in [0,1]
	Regions []struct {
		Box  [4]int  `json:"box"`  // x, y, width, height in pixels
		Mean float64 `json:"mean"` // probability in [0,1]
	} `json:"regions"`
}

// attempts is how often a picture is sent to a busy server.
const attempts = 5

func main() {
	url := flag.String("url", "http://127.0.0.1:8080", "address of the server")
	flag.Parse()
	if flag.NArg() == 0 {
		log.Fatal("usage: http-client [-url URL] PICTURE...")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed := false
	for _, path := range flag.Args() {
		r, err := localize(ctx, *url, path)
		if err != nil {
			log.Printf("%s: %v", path, err)
			failed = true
			continue
		}
		fmt.Printf("%s: score %.2f\n", path, r.Score)
		for _, region := range r.Regions {
			fmt.Printf("\t%v: mean probability %.2f\n", region.Box, region.Mean)
		}
	}
	if failed {
		stop()
		os.Exit(1)
	}
}

// localize sends a picture, again after the time that the server names while it is busy.
func localize(ctx context.Context, url, path string) (*result, error) {
	picture, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for range attempts {
		r, wait, err := post(ctx, url, picture)
		if wait == 0 {
			return r, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
	return nil, fmt.Errorf("the server was busy %d times", attempts)
}

// post sends a picture once. A wait above 0 says that the server is busy and when to ask again.
func post(ctx context.Context, url string, picture []byte) (r *result, wait time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/localize?maps=none", bytes.NewReader(picture))
	if err != nil {
		return nil, 0, err
	}
	if token := os.Getenv("DECLIP_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return nil, 0, err
	case response.StatusCode == http.StatusTooManyRequests:
		seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if err != nil || seconds < 1 {
			seconds = 1
		}
		return nil, time.Duration(seconds) * time.Second, nil
	case response.StatusCode != http.StatusOK:
		return nil, 0, refusal(response.Status, body)
	}
	r = new(result)
	return r, 0, json.Unmarshal(body, r)
}

// refusal returns the server's own message, or the status where there is none.
func refusal(status string, body []byte) error {
	var answer struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error.Message == "" {
		return errors.New(status)
	}
	return fmt.Errorf("%s (%s)", answer.Error.Message, answer.Error.Code)
}

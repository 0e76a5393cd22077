// Command client calls every operation of a declip server through the client that oapi-codegen
// generates: client URL PICTURE. It prints what it got; the test compares that.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"mime/multipart"
	"os"
	"strings"

	"example.org/client/api"
)

func main() {
	log.SetFlags(0)
	client, err := api.NewClientWithResponses(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	picture, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	for _, call := range []func(context.Context, *api.ClientWithResponses, []byte) error{localize, mask, batch, models, maps, status, refused} {
		if err := call(context.Background(), client, picture); err != nil {
			log.Fatal(err)
		}
	}
}

func localize(ctx context.Context, c *api.ClientWithResponses, picture []byte) error {
	threshold, maps := float32(0.4), api.LocalizeParamsMapsNone
	r, err := c.LocalizeWithBodyWithResponse(ctx, &api.LocalizeParams{Threshold: &threshold, Maps: &maps}, "application/octet-stream", bytes.NewReader(picture))
	if err != nil || r.JSON200 == nil {
		return fmt.Errorf("localize: %w, %s", err, r.Body)
	}
	fmt.Println("localize", r.JSON200.Width, r.JSON200.Height, r.JSON200.Format, len(r.JSON200.Regions))
	return nil
}

func mask(ctx context.Context, c *api.ClientWithResponses, picture []byte) error {
	kind, maps := api.LocalizeParamsMaskRle, api.LocalizeParamsMapsNone
	r, err := c.LocalizeWithBodyWithResponse(ctx, &api.LocalizeParams{Mask: &kind, Maps: &maps}, "image/png", bytes.NewReader(picture))
	if err != nil || r.JSON200 == nil || r.JSON200.Mask == nil {
		return fmt.Errorf("mask: %w, %s", err, r.Body)
	}
	lengths, err := r.JSON200.Mask.AsRunLengths()
	if err != nil {
		return err
	}
	fmt.Println("mask", lengths.Size, len(lengths.Counts) > 1)
	return nil
}

func batch(ctx context.Context, c *api.ClientWithResponses, picture []byte) error {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for _, data := range [][]byte{picture, []byte("no picture")} {
		part, err := w.CreateFormFile("image", "a.png")
		if err != nil {
			return err
		}
		if _, err := part.Write(data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	r, err := c.LocalizeBatchWithBodyWithResponse(ctx, nil, w.FormDataContentType(), &form)
	if err != nil || r.JSON200 == nil {
		return fmt.Errorf("batch: %w, %s", err, r.Body)
	}
	result, err := r.JSON200.Results[0].AsResult()
	if err != nil {
		return err
	}
	failed, err := r.JSON200.Results[1].AsFailed()
	if err != nil {
		return err
	}
	fmt.Println("batch", result.Image, result.Width, failed.Error.Code)
	return nil
}

func models(ctx context.Context, c *api.ClientWithResponses, _ []byte) error {
	r, err := c.ListModelsWithResponse(ctx)
	if err != nil || r.JSON200 == nil {
		return fmt.Errorf("models: %w, %s", err, r.Body)
	}
	fmt.Println("models", r.JSON200.Models[0].Name, r.JSON200.Models[0].Default, r.JSON200.Limits.MaxBatchPictures)
	return nil
}

func maps(ctx context.Context, c *api.ClientWithResponses, picture []byte) error {
	links := api.LocalizeParamsMapsLinks
	r, err := c.LocalizeWithBodyWithResponse(ctx, &api.LocalizeParams{Maps: &links}, "image/png", bytes.NewReader(picture))
	if err != nil || r.JSON200 == nil || r.JSON200.Maps == nil {
		return fmt.Errorf("maps: %w, %s", err, r.Body)
	}
	id := strings.Split(r.JSON200.Maps.Prob, "/")[3]
	m, err := c.GetMapWithResponse(ctx, id, api.GetMapParamsViewProbPng)
	if err != nil {
		return err
	}
	fmt.Println("maps", m.StatusCode(), bytes.HasPrefix(m.Body, []byte("\x89PNG")))
	return nil
}

func status(ctx context.Context, c *api.ClientWithResponses, _ []byte) error {
	alive, err := c.GetHealthWithResponse(ctx)
	if err != nil || alive.JSON200 == nil {
		return fmt.Errorf("health: %w", err)
	}
	ready, err := c.GetReadinessWithResponse(ctx)
	if err != nil || ready.JSON200 == nil {
		return fmt.Errorf("readiness: %w", err)
	}
	fmt.Println("status", alive.JSON200.Status, ready.JSON200.Status)
	return nil
}

func refused(ctx context.Context, c *api.ClientWithResponses, _ []byte) error {
	r, err := c.LocalizeWithBodyWithResponse(ctx, nil, "image/png", strings.NewReader("no picture"))
	if err != nil || r.JSON415 == nil {
		return fmt.Errorf("refused: %w, status %d", err, r.StatusCode())
	}
	fmt.Println("refused", r.StatusCode(), r.JSON415.Error.Code)
	return nil
}

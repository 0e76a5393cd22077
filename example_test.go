package declip_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log"
	"net/http"
	"os"

	"github.com/declip/declip"
)

// Localize looks for manipulated areas in a picture in memory.
func ExampleModel_Localize() {
	model, err := declip.Open("lite", declip.Options{Device: "cpu"})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	picture := image.NewGray(image.Rect(0, 0, 320, 200)) // yours comes from a file or a camera
	result, err := model.Localize(context.Background(), picture)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Width, "x", result.Height, "probabilities:", len(result.Prob))
	// Output: 320 x 200 probabilities: 64000
}

// Decode keeps what the file says besides its pixels, which some evidence needs. Decoded pictures
// can be localized, drawn on and measured.
func ExampleDecode() {
	file, err := os.Open("testdata/sample/forged.jpg")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	picture, err := declip.Decode(file, declip.DecodeOptions{MaxPixels: 50_000_000})
	if err != nil {
		log.Fatal(err) // wraps declip.ErrTooLarge, declip.ErrFormat or declip.ErrTruncated
	}
	fmt.Println(picture.Format(), picture.Bounds().Size(), "orientation", picture.Orientation())
	// Output: jpeg (960,640) orientation 1
}

// LocalizeFile reads a picture file and lists the regions that look manipulated.
func ExampleModel_LocalizeFile() {
	model, err := declip.Open("lite", declip.Options{Threshold: 0.7})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	result, err := model.LocalizeFile(context.Background(), "photo.jpg")
	if err != nil {
		log.Fatal(err)
	}
	for _, region := range result.Regions {
		fmt.Printf("%v: probability %.2f over %d pixels\n", region.Box, region.Mean, region.Area)
	}
}

// LocalizeReader takes a picture file from anywhere: here the body of a request.
// One model serves all requests at once.
func ExampleModel_LocalizeReader() {
	model, err := declip.Open("lite", declip.Options{MaxPixels: 20_000_000})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	http.HandleFunc("POST /score", func(w http.ResponseWriter, r *http.Request) {
		result, err := model.LocalizeReader(r.Context(), http.MaxBytesReader(w, r.Body, 10<<20))
		switch {
		case errors.Is(err, declip.ErrTooLarge):
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		case err != nil:
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		default:
			fmt.Fprintf(w, "%.3f\n", result.Score)
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:8081", nil))
}

// WithThreshold asks again at another threshold, without running the network.
func ExampleResult_WithThreshold() {
	result := &declip.Result{Width: 4, Height: 1, Prob: []float32{0.1, 0.4, 0.6, 0.9}}
	for _, threshold := range []float64{0.3, 0.5} {
		r, err := result.WithThreshold(threshold)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.ManipulatedFraction, r.Regions[0].Box)
	}
	// Output:
	// 0.75 (1,0)-(4,1)
	// 0.5 (2,0)-(4,1)
}

// A result is marshalled to the JSON of "declip localize --json". Its mask can be had as run
// lengths and as polygons.
func ExampleResult_Contours() {
	result := &declip.Result{
		Width: 4, Height: 2, Threshold: 0.5,
		Prob: []float32{0, 0.8, 0.9, 0, 0, 0.7, 0.9, 0},
	}
	fmt.Println(result.Contours())
	fmt.Println(result.RunLengths().Counts)
	// Output:
	// [[(3,0) (3,2) (1,2) (1,0)]]
	// [2 4 2]
}

// WriteOverlay writes the picture with its heat map to any writer, here a file.
func ExampleResult_WriteOverlay() {
	model, err := declip.Open("lite", declip.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	picture, err := declip.DecodeFile("photo.jpg", declip.DecodeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	result, err := model.Localize(context.Background(), picture)
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.Create("photo.overlay.png")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	if err := result.WriteOverlay(file, picture); err != nil {
		log.Fatal(err)
	}
}

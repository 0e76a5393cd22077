package declip_test

import (
	"context"
	"fmt"
	"image"
	"log"

	"github.com/declip/declip"
)

// Localize looks for manipulated places in a picture in memory.
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

// LocalizeFile reads a picture file and lists what stands out.
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

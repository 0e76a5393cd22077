// Command declip shows where pictures were manipulated. See "declip help".
package main

import (
	"os"

	"github.com/declip/declip/internal/cli"
)

func main() { os.Exit(cli.Main()) }

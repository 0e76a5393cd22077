package declip

import (
	"os"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

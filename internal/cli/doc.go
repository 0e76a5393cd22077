// Package cli is the declip command line: one file per command, cmd_NAME.go.
//
// Each command has a struct of options, AddFlags that declares them, and a function runNAME. The
// other files hold what several commands share.
//
// Exit codes: 0 success; 1 something failed, while other pictures of the same run may have
// succeeded; 2 wrong usage; 70 a fault of declip itself. Results go to standard output, messages
// and progress to standard error.
package cli

// Package serve answers requests over HTTP: pictures come in, results and maps go out.
//
// It also serves the web page, which calls the same API. A request passes these steps in order:
//
//  1. Its headers are checked: host, origin, token, path, method and parameters.
//  2. Its body is read, within a memory budget and a deadline.
//  3. The header of the picture is read, and its size checked.
//  4. The picture waits in the queue of its model.
//  5. A worker decodes it and runs the network.
//  6. The result is encoded and sent.
//
// Every step is bounded. A request that finds no room is refused at once with status 429. A panic
// in any step becomes a status of 500 for the request that caused it; the others are unaffected.
package serve

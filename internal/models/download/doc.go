// Package download downloads large files and resumes interrupted downloads.
//
// An interrupted download continues where it stopped, unless the file has changed at the server.
// The complete file is checked and then renamed, so that an unfinished file is never found under
// the final name. Two processes never write the same file.
//
// While a file X is downloaded, X.part contains what has arrived, and X.part.json says what it is a
// part of. X.part.json is locked while a download is running.
package download

// Package powerloss shows tests what a power failure may leave of files.
//
// It records the changes that package files makes, and replays each beginning of them under this
// model:
//
//   - What was written to a file since its last sync may be there, be lost, be there in part, or be
//     there as zeros. Writes may reach the disk in any order.
//   - Names that were created, renamed or removed since the last sync of their directory may be so,
//     or be as before. They reach the disk in the order in which they were made. They are
//     independent of the contents.
//   - Directories are there. For readers, an absent one is like one without files.
package powerloss

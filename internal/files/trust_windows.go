package engine

// checkTrusted accepts every file: the places that are searched on Windows are the user's own and
// Program Files, which only administrators can write to.
func checkTrusted(string, uint32) error { return nil }

func currentUser() uint32 { return 0 }

func ownedByUser(string) bool { return true }

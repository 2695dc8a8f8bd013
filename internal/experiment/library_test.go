package experiment

import "redline/internal/client"

// namedLibrary has a name and nothing else.
type namedLibrary struct{ client.Library }

func (namedLibrary) Name() string { return "named" }

// Package schema holds the JSON Schemas (2020-12) of what redline prints with -o json:
// a name enters, a schema leaves. They are generated from the Go types of the
// documents, by a test of package cli, and kept here so that a program has them
// without the source.
package schema

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.json
var files embed.FS

// Names are all there are, sorted: "topic" is that of redline.topic/v1.
func Names() []string {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic(err) // it is embedded
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = strings.TrimSuffix(entry.Name(), ".json")
	}
	return names
}

// Find gives the schema of a name, or of the whole "schema" of a document, such as
// redline.topic/v1; false when there is none.
func Find(name string) ([]byte, bool) {
	text, err := files.ReadFile(Short(name) + ".json")
	return text, err == nil
}

// Short is the name of a document's schema: "topic" of redline.topic/v1. The report of
// an experiment is "experiment-report": "experiment" is the schema of question files,
// and was so first.
func Short(id string) string {
	if id == "redline.experiment/v1" {
		return "experiment-report"
	}
	return strings.TrimSuffix(strings.TrimPrefix(id, "redline."), "/v1")
}

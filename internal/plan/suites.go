package plan

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"redline/internal/nearest"
)

//go:embed suites/*.yaml
var suiteFiles embed.FS

// Suite is a question that is built in.
type Suite struct {
	// Name is what it is run by.
	Name string
	// Question is what it asks, in words.
	Question string
	// YAML is its file.
	YAML []byte
}

// Suites are all questions that are built in, by name.
func Suites() []Suite {
	files, err := suiteFiles.ReadDir("suites")
	if err != nil {
		panic(err) // they are part of the program
	}
	var all []Suite
	for _, file := range files {
		text, err := suiteFiles.ReadFile(path.Join("suites", file.Name()))
		if err != nil {
			panic(err)
		}
		q, err := Parse(file.Name(), text, nil)
		if err != nil {
			panic(err)
		}
		all = append(all, Suite{q.Name, q.Question, text})
	}
	// The files are in the order of their names with an ending.
	slices.SortFunc(all, func(a, b Suite) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// FindSuite gives the suite of that name; the error names the nearest.
func FindSuite(name string) (Suite, error) {
	var known []string
	for _, suite := range Suites() {
		if suite.Name == name {
			return suite, nil
		}
		known = append(known, suite.Name)
	}
	if near := nearest.Name(name, known); near != "" {
		return Suite{}, fmt.Errorf("there is no suite %s; the nearest is %q", quote(name), near)
	}
	return Suite{}, fmt.Errorf("there is no suite %s: take %s", quote(name), list(known, "or"))
}

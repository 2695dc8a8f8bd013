package plan

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzParse: no file makes Parse panic or last, every problem has its place, and
// what is taken can be planned.
func FuzzParse(f *testing.F) {
	for _, suite := range Suites() {
		f.Add(suite.YAML)
	}
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/full.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		began := time.Now()
		q, err := Parse("f.yaml", data, nil)
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("took %v", took)
		}
		var problems *Problems
		if errors.As(err, &problems) {
			for _, p := range problems.All {
				if !strings.HasPrefix(p.Where, "f.yaml:") || p.What == "" || strings.ContainsFunc(p.What, control) {
					t.Fatalf("%+v", p)
				}
			}
			return
		}
		if err != nil || q.Question == "" {
			t.Fatalf("%+v, %v", q, err)
		}
		p, err := Make(q, Want{Kafka: "local", Time: time.Hour})
		if err == nil && (p.Seconds > 3600 || len(p.Trials) != p.Rounds*len(p.Arms) || len(p.Arms) > maxArms) {
			t.Fatalf("%+v", p)
		}
		if err == nil && p.Check() != nil {
			t.Fatal(p.Check())
		}
	})
}

package libraries

import (
	"slices"
	"strings"
	"testing"
)

func TestEachNameOpensItsLibrary(t *testing.T) {
	for _, name := range Names() {
		library, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if library.Name() != name || library.Version() == "" {
			t.Errorf("%s opens %q, version %q", name, library.Name(), library.Version())
		}
	}
	for _, name := range []string{"franz", "none"} {
		if !slices.Contains(Names(), name) {
			t.Errorf("%s is missing", name)
		}
	}
}

// Whichever way the binary is built, confluent is either there or explained.
func TestWhatIsLeftOutIsExplained(t *testing.T) {
	why, missing := Missing()["confluent"]
	if missing == slices.Contains(Names(), "confluent") {
		t.Fatalf("missing %v, names %v", missing, Names())
	}
	if _, err := Open("confluent"); missing && (err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(why, "go build")) {
		t.Errorf("%v", err)
	}
}

func TestAnUnknownNameListsTheOthers(t *testing.T) {
	_, err := Open("kafka")
	if err == nil || !strings.Contains(err.Error(), `"kafka"`) || !strings.Contains(err.Error(), strings.Join(Names(), ", ")) {
		t.Errorf("%v", err)
	}
}

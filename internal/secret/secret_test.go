package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const canary = "hunter2-canary"

type outer struct {
	Shown  Text
	hidden Text
	Deep   *outer
}

func TestNothingThatPrintsShowsASecret(t *testing.T) {
	o := outer{Shown: New(canary), hidden: New(canary), Deep: &outer{hidden: New(canary)}}
	encoded, err := json.Marshal(map[string]any{"o": o, "list": []Text{New(canary)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{
		fmt.Sprint(o), fmt.Sprintf("%v %+v %#v", o, o, o), fmt.Sprintf("%#v", o.Deep), fmt.Sprintf("%s %x", o.Shown, o.Shown),
		errors.Join(fmt.Errorf("with %v", o.hidden)).Error(), string(encoded),
	} {
		if strings.Contains(printed, canary) || strings.Contains(printed, fmt.Sprintf("%x", canary)) {
			t.Errorf("shows the secret: %s", printed)
		}
	}
	if o.hidden.Reveal() != canary || o.hidden.IsZero() {
		t.Error("the secret is lost")
	}
}

func TestNoSecretIsEmpty(t *testing.T) {
	for _, none := range []Text{{}, New("")} {
		if !none.IsZero() || none.Reveal() != "" || none.String() != "" {
			t.Errorf("%#v is not empty", none)
		}
	}
}

// dies makes the test binary end in a panic that holds a secret.
const dies = "REDLINE_TEST_DIES"

func TestAPanicShowsNoSecret(t *testing.T) {
	if os.Getenv(dies) != "" {
		panic(fmt.Errorf("with %+v: %w", outer{hidden: New(canary)}, errors.New(New(canary).String())))
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestAPanicShowsNoSecret$")
	cmd.Env = append(os.Environ(), dies+"=1", "GOTRACEBACK=all")
	printed, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(printed), "panic: ") {
		t.Fatalf("it did not panic: %s", printed)
	}
	if strings.Contains(string(printed), canary) || !strings.Contains(string(printed), Mask) {
		t.Errorf("the panic says %s", printed)
	}
}

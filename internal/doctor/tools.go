package doctor

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"redline/internal/client/libraries"
)

// tool looks for the first of some programs in PATH.
func tool(names ...string) func(context.Context, machine) finding {
	return func(context.Context, machine) finding { return found(names...) }
}

func found(names ...string) finding {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return yes("%s", path)
		}
	}
	return no("no %s in PATH", strings.Join(names, " or "))
}

// compiler asks for what cgo would take: the first word of $CC, or one of the usual.
func compiler(_ context.Context, m machine) finding {
	if words := strings.Fields(m.Getenv("CC")); len(words) > 0 {
		return found(words[0])
	}
	return found("gcc", "clang", "cc")
}

func confluent(context.Context, machine) finding {
	why, missing := libraries.Missing()["confluent"]
	if missing {
		f := no("this redline was built without it")
		f.allow = why
		return f
	}
	library, err := libraries.Open("confluent")
	if err != nil {
		return unknown("%v", err)
	}
	return yes("%s", library.Version())
}

// leastJava is what brokers of Apache Kafka 4 need.
const leastJava = 17

// java prefers JAVA_HOME, as Kafka's own scripts and redline's broker do.
func java(ctx context.Context, m machine) finding {
	program := "java"
	if home := m.Getenv("JAVA_HOME"); home != "" {
		if inHome := filepath.Join(home, "bin", "java"); exists(inHome) {
			program = inHome
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return no("no java in PATH or JAVA_HOME")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-version")
	cmd.WaitDelay = time.Second
	said, err := cmd.CombinedOutput()
	if err != nil {
		return no("%s -version failed: %v", path, err)
	}
	return javaOf(path, string(said))
}

// javaVersion is the first line of java -version: openjdk version "17.0.9", or
// java version "1.8.0_392" of those before 9.
var javaVersion = regexp.MustCompile(`version "(1\.)?(\d+)[^"]*"`)

func javaOf(path, said string) finding {
	version := javaVersion.FindStringSubmatch(said)
	if version == nil {
		return unknown("%s does not tell its version", path)
	}
	major, err := strconv.Atoi(version[2])
	f := yesIf(err == nil && major >= leastJava, "%s: %s", path, version[0])
	f.lost = "brokers of Apache Kafka 4 need Java " + strconv.Itoa(leastJava) + " or later"
	return f
}

package broker

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redline/internal/journal"
)

// program writes a shell script.
func program(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// ownCache gives a test a cache folder and a PATH with programs of its own.
func ownCache(t *testing.T) (cache, bin string) {
	t.Helper()
	cache, bin = t.TempDir(), t.TempDir()
	t.Setenv("REDLINE_CACHE", cache)
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	return cache, bin
}

// fakeMaven says what it was asked, and makes one jar.
const fakeMaven = `echo "$@" >> "$(dirname "$0")/calls"
for a in "$@"; do case "$a" in -DoutputDirectory=*) out="${a#*=}";; esac; done
mkdir -p "$out" && echo jar > "$out/kafka.jar"
`

func TestJarsAreFetchedOnceAndAppearWhole(t *testing.T) {
	cache, bin := ownCache(t)
	program(t, bin, "mvn", fakeMaven)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			libs, err := KafkaJars(t.Context(), "4.3.1", nil)
			if err != nil || libs != filepath.Join(cache, "kafka", "4.3.1", "libs") {
				t.Errorf("KafkaJars: %q, %v", libs, err)
			}
		})
	}
	wait.Wait()
	calls, err := os.ReadFile(filepath.Join(bin, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(calls), "dependency:copy-dependencies"); n != 1 {
		t.Errorf("Maven ran %d times:\n%s", n, calls)
	}
	entries, _ := filepath.Glob(filepath.Join(cache, "kafka", "*"))
	want := []string{filepath.Join(cache, "kafka", "4.3.1"), filepath.Join(cache, "kafka", "4.3.1.lock")}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("in the cache (-want +got):\n%s", diff)
	}
}

func TestAFailingMavenIsOneSentenceAndLeavesNoHalfCache(t *testing.T) {
	cache, bin := ownCache(t)
	program(t, bin, "mvn", `echo "[INFO] trying"; echo "[ERROR] Could not find artifact org.apache.kafka:kafka_2.13:jar:9.9.9."; echo "[ERROR] For help, read the manual"; exit 1`)
	_, err := KafkaJars(t.Context(), "9.9.9", nil)
	log := filepath.Join(cache, "kafka", "9.9.9.log")
	want := "Maven could not fetch the jars (exit status 1): Could not find artifact org.apache.kafka:kafka_2.13:jar:9.9.9. Its log is " + log
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
	if !exists(log) || exists(filepath.Join(cache, "kafka", "9.9.9")) || exists(filepath.Join(cache, "kafka", "9.9.9.part")) {
		t.Error("want the log alone to stay in the cache")
	}
}

func TestWhatIsNotInstalledIsSaidWithItsCommand(t *testing.T) {
	ownState(t)
	_, bin := ownCache(t)
	t.Setenv("PATH", bin)
	t.Setenv("JAVA_HOME", "")
	_, err := Start(t.Context(), Config{Kind: Local})
	if err == nil || !strings.Contains(err.Error(), "apt-get install -y openjdk-17-jre-headless") {
		t.Errorf("without Java: %v", err)
	}
	program(t, bin, "java", "exit 1")
	_, err = Start(t.Context(), Config{Kind: Local})
	if err == nil || !strings.Contains(err.Error(), "apt-get install -y maven") {
		t.Errorf("without Maven: %v", err)
	}
	_, err = Start(t.Context(), Config{Kind: Local, Home: bin})
	if err == nil || !strings.Contains(err.Error(), "is no unpacked Apache Kafka") {
		t.Errorf("with an empty --kafka-home: %v", err)
	}
}

func TestThePomAsksForKafkaItsToolsAndALogBinding(t *testing.T) {
	data, err := pom(kafkaArtifacts("3.9.2"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/pom-3.9.2.xml")
	if *update {
		err = os.WriteFile("testdata/pom-3.9.2.xml", data, 0o644)
		want = data
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(data)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if a := kafkaArtifacts("4.0.0")[0]; a.Name != "log4j-slf4j-impl" {
		t.Errorf("Kafka 4 logs through %s", a.Name)
	}
}

// fakeKafka is a Java that formats, says what it says, and dies.
func fakeKafka(t *testing.T, last string) {
	t.Helper()
	_, bin := ownCache(t)
	t.Setenv("JAVA_HOME", "")
	program(t, bin, "mvn", fakeMaven)
	program(t, bin, "java", `case "$*" in *StorageTool*) exit 0;; esac
echo "2026-01-01 INFO starting (Kafka)"
echo "`+last+`"
echo "	at kafka.Kafka.main(Kafka.scala)"
exit 1
`)
}

func TestAJavaThatDiesIsExplainedByItsLogWhichIsKept(t *testing.T) {
	state := t.TempDir()
	t.Setenv("REDLINE_STATE", state)
	fakeKafka(t, "2026-01-01 ERROR Invalid value for num.io.threads (Kafka)")
	_, err := Start(t.Context(), Config{Kind: Local})
	kept := brokerFolders(t, state)
	if len(kept) != 1 {
		t.Fatalf("folders kept: %v, want one", kept)
	}
	want := "node 1 of Apache Kafka 4.3.1 ended by itself (exit status 1): 2026-01-01 ERROR Invalid value for num.io.threads (Kafka). Its logs are in " + filepath.Join(kept[0], "logs")
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
	if exists(filepath.Join(kept[0], "data")) {
		t.Error("the data is still there")
	}
}

func TestAFullDiskIsSaidInPlainWords(t *testing.T) {
	t.Setenv("REDLINE_STATE", t.TempDir())
	fakeKafka(t, "java.io.IOException: No space left on device")
	_, err := Start(t.Context(), Config{Kind: Local})
	if err == nil || !strings.Contains(err.Error(), "the disk is full; free some, or choose another folder with --data") {
		t.Errorf("error %v", err)
	}
}

func TestKillingTheOwnerOfANodeLeavesNothingAnywhere(t *testing.T) {
	state := ownState(t)
	cache, bin := ownCache(t)
	t.Setenv("JAVA_HOME", "")
	program(t, bin, "mvn", fakeMaven)
	// A Java that is never ready.
	program(t, bin, "java", `case "$*" in *StorageTool*) exit 0;; esac
for last; do :; done
dir="$(sed -n 's/^log.dirs=//p' "$last")"; mkdir -p "$dir"; echo $$ > "$dir/pid"; exec sleep 60
`)
	data := t.TempDir()
	owner := startSilentOwner(t, keeperOrder{Kind: Local, DataDir: data})
	var pidFile string
	eventually(t, "the fake Kafka's start", func() bool {
		files, _ := filepath.Glob(filepath.Join(data, "redline-*", "node-1", "pid"))
		if len(files) != 1 {
			return false
		}
		pidFile = files[0]
		text, _ := os.ReadFile(pidFile)
		return strings.HasSuffix(string(text), "\n")
	})
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	java := journal.ProcessOf(number(t, string(text)))
	if !java.Alive() {
		t.Fatal("the fake Java does not run")
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	begun := time.Now()
	eventually(t, "the end of Java", func() bool { return !java.Alive() })
	eventually(t, "the end of the data", func() bool { left, _ := os.ReadDir(data); return len(left) == 0 })
	eventually(t, "the end of the folder", func() bool { return len(brokerFolders(t, state)) == 0 })
	if took := time.Since(begun); took > childPatience {
		t.Errorf("the end took %v", took)
	}
	if !exists(filepath.Join(cache, "kafka", DefaultVersion)) {
		t.Error("the cache is gone")
	}
}

func TestADataFolderThatCannotBeIsSaid(t *testing.T) {
	ownState(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Kind: Local, DataDir: file})
	if err == nil || !strings.Contains(err.Error(), "Choose a folder that can be written with --data") {
		t.Errorf("error %v", err)
	}
}

func TestADataFolderWithACommaIsRefused(t *testing.T) {
	ownState(t)
	folder := t.TempDir()
	_, err := Start(t.Context(), Config{Kind: Local, DataDir: filepath.Join(folder, "one,two")})
	if err == nil || !strings.Contains(err.Error(), "one,two has a comma in its name") {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAClusterOutlivesAMinorityOfItsNodes(t *testing.T) {
	var said []string
	b := &Broker{
		config:  Config{Kind: Local, Nodes: 3, Say: func(s string) { said = append(said, s) }},
		version: "4.3.1", folder: &folder{dir: t.TempDir()}, done: make(chan struct{}), started: true,
	}
	for i := range 3 {
		b.nodes = append(b.nodes, &node{id: i + 1, pid: 1000 + i, changed: make(chan struct{}), died: b.died})
	}
	b.nodes[1].ended("signal: killed")
	if err := b.Err(); err != nil || len(said) != 1 || !strings.Contains(said[0], "node 2 of Apache Kafka 4.3.1 ended by itself (signal: killed); the others go on") {
		t.Errorf("after one of three: error %v, said %q", err, said)
	}
	b.nodes[2].ended("signal: killed")
	select {
	case <-b.Done():
	default:
		t.Error("a cluster without a quorum goes on")
	}
}

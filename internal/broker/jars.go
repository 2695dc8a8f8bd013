package broker

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// artifact is a jar in a Maven repository.
type artifact struct {
	Group   string `xml:"groupId"`
	Name    string `xml:"artifactId"`
	Version string `xml:"version"`
}

// agent exports a Java process's JMX figures to Prometheus.
var agent = artifact{"io.prometheus.jmx", "jmx_prometheus_javaagent", "1.0.1"}

// kafkaArtifacts are the jars to ask for; Maven adds what they need. The log
// binding stands first, so that its own version of log4j wins over Kafka's.
func kafkaArtifacts(version string) []artifact {
	binding := artifact{"org.slf4j", "slf4j-reload4j", "1.7.36"}
	if majorOf(version) >= 4 {
		binding = artifact{"org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"}
	}
	return []artifact{
		binding,
		{"org.apache.kafka", "kafka_2.13", version},
		{"org.apache.kafka", "kafka-tools", version},
		agent,
	}
}

func majorOf(version string) int {
	var major int
	_, _ = fmt.Sscanf(version, "%d.", &major)
	return major
}

// pom is a Maven project that is nothing but its dependencies.
func pom(artifacts []artifact) ([]byte, error) {
	project := struct {
		XMLName      xml.Name `xml:"http://maven.apache.org/POM/4.0.0 project"`
		ModelVersion string   `xml:"modelVersion"`
		artifact
		Dependencies []artifact `xml:"dependencies>dependency"`
	}{
		ModelVersion: "4.0.0",
		artifact:     artifact{"redline", "jars", "1"},
		Dependencies: artifacts,
	}
	return xml.MarshalIndent(project, "", "  ")
}

// cacheDir is $REDLINE_CACHE, or redline in the user's cache folder.
func cacheDir() (string, error) {
	if dir := os.Getenv("REDLINE_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache folder for Kafka's jars: %w. Set REDLINE_CACHE to one", err)
	}
	return filepath.Join(dir, "redline"), nil
}

// KafkaJars returns the folder with the jars of an Apache Kafka version (Kafka's
// own command line tools are among them), fetched by Maven into the cache if they
// are not there yet; say, which may be nil, hears of it.
func KafkaJars(ctx context.Context, version string, say func(string)) (string, error) {
	if !versionForm.MatchString(version) {
		return "", fmt.Errorf("%q is no version of Apache Kafka: type it like %s", version, DefaultVersion)
	}
	return fetchJars(ctx, "kafka", version, kafkaArtifacts(version), say)
}

// fetchJars returns the folder name/version/libs in the cache. The folder appears
// under its name only when it is complete.
func fetchJars(ctx context.Context, name, version string, artifacts []artifact, say func(string)) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	if say == nil {
		say = func(string) {}
	}
	parent := filepath.Join(cache, name)
	home := filepath.Join(parent, version)
	libs := filepath.Join(home, "libs")
	if isFolder(libs) {
		return libs, nil
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder for jars: %w. Set REDLINE_CACHE to a folder that can be written", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(parent, version+".lock"), func() {
		say("Waiting for another redline that fetches the same jars…")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if isFolder(libs) {
		return libs, nil
	}
	say(fmt.Sprintf("Fetching the jars of %s %s with Maven (once)…", name, version))
	unfinished := filepath.Join(parent, version+".part")
	defer func() { _ = os.RemoveAll(unfinished) }()
	if err := os.RemoveAll(unfinished); err != nil {
		return "", fmt.Errorf("fetch jars: %w", err)
	}
	if err := runMaven(ctx, unfinished, artifacts, filepath.Join(parent, version+".log")); err != nil {
		return "", err
	}
	if err := os.Rename(unfinished, home); err != nil {
		return "", fmt.Errorf("fetch jars: %w", err)
	}
	return libs, nil
}

// runMaven fills dir/libs. Its log stays only after a failure.
func runMaven(ctx context.Context, dir string, artifacts []artifact, logPath string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New("Kafka's jars are not in the cache, and Maven, which fetches them, is not installed. Install it with: apt-get install -y maven. Or unpack a distribution and give its folder with --kafka-home") //nolint:staticcheck // a name has a capital
	}
	project, err := pom(artifacts)
	if err != nil {
		return fmt.Errorf("fetch jars: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("fetch jars: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), project, 0o644); err != nil {
		return fmt.Errorf("fetch jars: %w", err)
	}
	if err := os.RemoveAll(logPath); err != nil {
		return fmt.Errorf("fetch jars: %w", err)
	}
	log, err := openLog(logPath)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "-f", filepath.Join(dir, "pom.xml"),
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(dir, "libs"))
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Stdout, cmd.Stderr = log, log
	s := newSpawner()
	defer s.close()
	err = s.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("fetch jars with Maven: %w", context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("Maven could not fetch the jars (%w)%s. Its log is %s", err, mavenError(logPath), logPath) //nolint:staticcheck // a name has a capital
	}
	return os.Remove(logPath)
}

// mavenError is Maven's own first error line, which names the artifact; the last
// ones only tell where to get help.
func mavenError(path string) string {
	for _, line := range tailLines(path, 64<<10) {
		if _, said, found := strings.Cut(line, "[ERROR] "); found {
			return ": " + strings.TrimSuffix(said, ".")
		}
	}
	return lastWords(path)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

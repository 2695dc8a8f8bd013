package broker

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Toolset is Kafka's own command line tools, ready to be run.
type Toolset struct {
	// Java is the path of the program, Classpath what its flag -cp takes.
	Java, Classpath string
	// Version of Apache Kafka, such as "4.3.1".
	Version string
}

// Tools finds Java and the tools of the DefaultVersion of Apache Kafka; their jars, which
// Local runs too, are fetched by Maven into the cache if they are not there yet. say,
// which may be nil, hears of what takes long.
func Tools(ctx context.Context, say func(string)) (Toolset, error) {
	java, err := findJava()
	if err != nil {
		return Toolset{}, err
	}
	libs, err := KafkaJars(ctx, DefaultVersion, say)
	if err != nil {
		return Toolset{}, err
	}
	return Toolset{Java: java, Classpath: filepath.Join(libs, "*"), Version: DefaultVersion}, nil
}

// CheckTools says why Tools would fail, as far as that is known without fetching anything.
func CheckTools() error {
	if _, err := findJava(); err != nil {
		return err
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	if isFolder(filepath.Join(cache, "kafka", DefaultVersion, "libs")) {
		return nil
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return fmt.Errorf("the jars of Apache Kafka %s are not in the cache, and Maven, which fetches them, is not installed. Install it with: apt-get install -y maven", DefaultVersion)
	}
	return nil
}

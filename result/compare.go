package result

// CompareSchema names the form of a CompareReport in JSON. Fields are only added
// within a version.
const CompareSchema = "redline.compare/v1"

// CompareReport is what changed between settings or runs.
type CompareReport struct {
	Header
	// Runs are the ids of the runs that were compared.
	Runs        []string     `json:"runs"`
	Comparisons []Comparison `json:"comparisons"`
	// Gates are those of --fail-if.
	Gates []Gate `json:"gates,omitempty"`
}

package result

// DoctorSchema names the form of a DoctorReport in JSON. Fields and checks are only
// added within a version.
const DoctorSchema = "redline.doctor/v1"

// DoctorReport is what a machine, and a cluster if one was named, allow redline to
// measure.
type DoctorReport struct {
	Header
	// Checks are in the order in which they are printed: those of the machine, then
	// those of the cluster.
	Checks []DoctorCheck `json:"checks"`
}

// Allowed is the answer of a DoctorCheck.
type Allowed string

// The answers of a DoctorCheck.
const (
	// Yes says that nothing is lost.
	Yes Allowed = "yes"
	// No says that something is: Lost says what, Allow what to do about it.
	No Allowed = "no"
	// Unknown says that it could not be found out; Value says why.
	Unknown Allowed = "unknown"
	// NotHere says that there is no such thing on this system or this cluster.
	NotHere Allowed = "not here"
)

// DoctorCheck is one thing that was asked.
type DoctorCheck struct {
	// ID is stable within a version of the schema, such as "cpu.quota".
	ID string `json:"id"`
	// Area is the heading that it stands under, such as "Processor".
	Area string `json:"area"`
	// Name is what a yes means, in words for people: "No CPU quota".
	Name  string  `json:"name"`
	State Allowed `json:"state"`
	// Value is what was found, in words.
	Value string `json:"value"`
	// Lost is what is lost without it, Allow how to allow it. Both are empty when
	// State is Yes; Allow also where there is nothing to do.
	Lost  string `json:"lost"`
	Allow string `json:"allow"`
}

package direct

import "github.com/twmb/franz-go/pkg/kerr"

// A producer reads errors of brokers three ways: is it worth trying again, can the batch
// be in the log in spite of it, and does the broker deny the batch's number.

// produceAgain says whether a batch may be accepted at another time, or by another broker.
func produceAgain(err *kerr.Error) bool {
	switch err.Code {
	case kerr.ConcurrentTransactions.Code:
		return true
	}
	return err.Retriable || produceLostTrack(err) || produceFenced(err)
}

// produceLostTrack says whether the broker does not expect the batch's number.
func produceLostTrack(err *kerr.Error) bool {
	switch err.Code {
	case kerr.OutOfOrderSequenceNumber.Code, kerr.UnknownProducerID.Code:
		return true
	}
	return false
}

// produceFenced says whether the broker does not know the producer as who it says it is.
func produceFenced(err *kerr.Error) bool {
	switch err.Code {
	case kerr.InvalidProducerEpoch.Code, kerr.ProducerFenced.Code, kerr.InvalidProducerIDMapping.Code:
		return true
	}
	return false
}

// produceTooLarge says whether the batch might be accepted in parts.
func produceTooLarge(err *kerr.Error) bool {
	switch err.Code {
	case kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code:
		return true
	}
	return false
}

// produceDoubt says whether the batch can be in the log in spite of the error. A broker
// that waits for replicas (all) answers that it does not lead the partition, or does not
// know it, also when it lost it after it had appended.
func produceDoubt(err *kerr.Error, all bool) bool {
	switch err.Code {
	case kerr.NotLeaderForPartition.Code, kerr.LeaderNotAvailable.Code, kerr.ReplicaNotAvailable.Code,
		kerr.UnknownTopicOrPartition.Code, kerr.FencedLeaderEpoch.Code, kerr.UnknownLeaderEpoch.Code:
		return all
	case kerr.CorruptMessage.Code, kerr.InvalidRecord.Code, kerr.InvalidTimestamp.Code,
		kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code,
		kerr.UnsupportedForMessageFormat.Code, kerr.UnsupportedCompressionType.Code, kerr.UnsupportedVersion.Code,
		kerr.InvalidTopicException.Code, kerr.UnknownTopicID.Code, kerr.InconsistentTopicID.Code,
		kerr.InvalidRequest.Code, kerr.InvalidRequiredAcks.Code, kerr.NotEnoughReplicas.Code,
		kerr.PolicyViolation.Code, kerr.ThrottlingQuotaExceeded.Code,
		kerr.TopicAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code,
		kerr.TransactionalIDAuthorizationFailed.Code, kerr.SaslAuthenticationFailed.Code,
		kerr.OutOfOrderSequenceNumber.Code, kerr.UnknownProducerID.Code,
		kerr.InvalidProducerEpoch.Code, kerr.ProducerFenced.Code, kerr.InvalidProducerIDMapping.Code,
		kerr.InvalidTxnState.Code, kerr.ConcurrentTransactions.Code:
		return false
	}
	return true
}

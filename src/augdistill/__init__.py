"""augdistill: what does a teacher's data augmentation do to the students distilled from it?"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alerts', '0007_carry_over'),
        ('cameras', '0004_places'),
        ('recognition', '0006_entry_begins'),
    ]

    operations = [
        migrations.CreateModel(
            name='AlertRepeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(help_text='When the frame that showed it was captured.')),
                ('alert', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='repeats', to='alerts.alert')),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='recognition.person')),
                ('sighting', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='repeated_alerts', to='cameras.sighting')),
            ],
            options={
                'ordering': ['at', 'id'],
                'constraints': [models.UniqueConstraint(fields=('alert', 'sighting'), name='one_repeat_a_sighting')],
            },
        ),
    ]
